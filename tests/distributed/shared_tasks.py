"""Tasks for runs of several processes: one for each kind of data and form of loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, dropout, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

SAMPLES, TESTED = 47, 101


def inputs_and_targets() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    inputs = torch.randn(SAMPLES + TESTED, 6, generator=generator)
    return inputs, (inputs[:, :3].sum(dim=1) > inputs[:, 3:].sum(dim=1)).long()


class InMemory:
    """Arrays, with dropout."""

    test_batch_size = 40

    def __init__(self) -> None:
        inputs, targets = inputs_and_targets()
        self.train, self.test = (inputs[:SAMPLES], targets[:SAMPLES]), (inputs[SAMPLES:], targets[SAMPLES:])

    def training_data(self) -> Any:
        return self.train

    def test_data(self) -> Any:
        return self.test

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.25), nn.Linear(16, 2))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return {"accuracy": outputs.argmax(dim=1) == targets, "confidence": outputs.softmax(dim=1).amax(dim=1).mean()}


class ChannelsLast(InMemory):
    """A model whose weights are not contiguous."""

    def model(self) -> nn.Module:
        layers = nn.Unflatten(1, (2, 3, 1)), nn.Conv2d(2, 8, (2, 1)), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
        return nn.Sequential(*layers).to(memory_format=torch.channels_last)


class Rows(Dataset[Any]):
    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int) -> Any:
        return self.arrays[0][index], int(self.arrays[1][index])


class AsDataset(InMemory):
    def training_data(self) -> Any:
        return Rows(self.train)

    def test_data(self) -> Any:
        return Rows(self.test)


class OwnLoader(InMemory):
    def training_data(self) -> Any:
        return DataLoader(TensorDataset(*self.train), 10, shuffle=True, generator=torch.Generator().manual_seed(1))

    def test_data(self) -> Any:
        return DataLoader(TensorDataset(*self.test), 25)


class Stream(IterableDataset[Any]):
    """Draws random numbers while it is read."""

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays

    def __iter__(self) -> Any:
        for index in torch.randperm(len(self.arrays[0])).tolist():
            yield self.arrays[0][index], self.arrays[1][index]


class AsStream(InMemory):
    def training_data(self) -> Any:
        return Stream(self.train)


class Reader:
    """A loader of the user's own class, whose batches are dicts with more than arrays."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Any:
        for x, y in self.loader:
            yield {"x": x, "y": y, "names": ["a"] * len(x), "scale": 2.0}


class OwnReader(InMemory):
    def training_data(self) -> Any:
        return Reader(OwnLoader().training_data())

    def test_data(self) -> Any:
        return Reader(OwnLoader().test_data())

    def step(self, model: nn.Module, batch: Any) -> Any:
        assert len(batch["names"]) == len(batch["x"])
        outputs = model(batch["x"] * batch["scale"])
        return cross_entropy(outputs, batch["y"]), outputs

    def metrics(self, outputs: torch.Tensor, targets: Any) -> Any:
        return {"accuracy": outputs.argmax(dim=1) == targets["y"]}


@dataclass
class Pair:
    inputs: torch.Tensor
    targets: torch.Tensor


def make_pair(samples: list[Any]) -> Pair:
    return Pair(*map(torch.stack, zip(*samples, strict=True)))


class OwnBatchSampler(InMemory):
    """Batches of different sizes, some smaller than the number of processes, of a class of its own."""

    def training_data(self) -> Any:
        batches = [[*range(10)], [10], [11, 12], [*range(13, SAMPLES)]]
        return DataLoader(TensorDataset(*self.train), batch_sampler=batches, collate_fn=make_pair)

    def test_data(self) -> Any:
        return [Pair(*batch) for batch in OwnLoader().test_data()]

    def step(self, model: nn.Module, batch: Pair) -> Any:
        outputs = model(batch.inputs)
        return cross_entropy(outputs, batch.targets), {"largest": float(len(batch.inputs) > 0), "mean": outputs.mean()}

    test_step = None
    metrics = None


class Network(nn.Module):
    """Has attributes and a method that its task uses, and a layer that no step trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.unused = nn.Linear(6, 8), nn.Linear(8, 2), nn.Linear(2, 2)
        self.scale = 2.0

    def features(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.first(inputs).tanh() * self.scale

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.second(self.features(inputs))


class OwnStep(InMemory):
    """Calls the model's method, and has values of the step and of the gradients."""

    def model(self) -> nn.Module:
        return Network()

    def step(self, model: Any, batch: Any) -> Any:
        outputs = model.second(model.features(batch[0]))
        penalty = model.first.weight.square().mean()
        return cross_entropy(outputs, batch[1]) + 0.1 * penalty, {"penalty": penalty, "mean": outputs.mean()}

    def test_step(self, model: Any, batch: Any) -> Any:
        outputs = model(batch[0])
        return cross_entropy(outputs, batch[1]), outputs

    def step_metrics(self, model: nn.Module) -> Any:
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        return {"gradient norm": torch.nn.utils.get_total_norm(gradients)}


class Manual(InMemory):
    """Two optimizers, two backward() a step, clipped gradients."""

    def model(self) -> nn.Module:
        return Network()

    def optimizer(self, model: Any) -> Any:
        return {
            "a": torch.optim.Adam([*model.first.parameters(), *model.unused.parameters()], lr=0.01),
            "b": torch.optim.SGD(model.second.parameters(), lr=0.1),
        }

    def step(self, model: Any, batch: Any, optimizers: Any) -> Any:
        inputs, targets = batch
        optimizers["b"].zero_grad()
        cross_entropy(model(inputs), targets).backward()
        # accumulated with those of the first loss
        model(inputs).square().mean().backward()
        nn.utils.clip_grad_norm_(model.second.parameters(), 0.1)
        optimizers["b"].step()
        optimizers["a"].zero_grad()
        loss = cross_entropy(model(inputs), targets)
        loss.backward()
        optimizers["a"].step()
        return loss, {"mean": model(inputs).mean()}

    def test_step(self, model: Any, batch: Any) -> Any:
        outputs = model(batch[0])
        return cross_entropy(outputs, batch[1]), outputs


class LossFromModel(InMemory):
    """The model returns its loss; the task's own parameters are trained as well."""

    loss = None
    metrics = None

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Linear(1, 2)
        nn.init.ones_(self.bias.weight)

    def model(self) -> nn.Module:
        return ReturnsLoss()

    def optimizer(self, model: nn.Module) -> Any:
        return torch.optim.Adam([*model.parameters(), *self.bias.parameters()], lr=0.01)

    def step(self, model: nn.Module, batch: Any) -> Any:
        logits, loss = model(*batch)
        return loss + 0.1 * cross_entropy(logits + self.bias.weight[:, 0], batch[1])


class ReturnsLoss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> Any:
        logits = self.layer(inputs)
        return logits, cross_entropy(logits, targets)


class Lbfgs(InMemory):
    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 2))

    def optimizer(self, model: nn.Module) -> Any:
        return torch.optim.LBFGS(model.parameters(), lr=0.02, max_iter=4)


class WholeSet(InMemory):
    """Metrics of the whole test set, of a method and of objects."""

    def __init__(self) -> None:
        super().__init__()
        from torchmetrics.classification import MulticlassAUROC

        self.metrics = {"auroc": MulticlassAUROC(2), "order": Order()}

    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        return {"count": len(targets), "weighted": (outputs[:, 0] * torch.arange(len(outputs))).mean()}


class Order:
    """Returns what depends on the order and the sizes of the batches."""

    def reset(self) -> None:
        self.value, self.batches = 0.0, 0

    def update(self, outputs: torch.Tensor, targets: torch.Tensor) -> None:
        self.batches += 1
        self.value = 0.5 * self.value + float((targets * torch.arange(len(targets))).sum()) + len(outputs)

    def compute(self) -> dict[str, float]:
        return {"value": self.value, "batches": self.batches}


class WithBatchNorm(InMemory):
    def model(self) -> nn.Module:
        # the gradient of a bias would be rounding errors, which Adam makes as large as others
        return nn.Sequential(nn.Linear(6, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


class Indivisible(InMemory):
    """Batches of sequences, whose first dimension is not the samples."""

    def training_data(self) -> Any:
        return Sequences()


class Sequences:
    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Any:
        for _ in range(3):
            yield torch.zeros(5, 10, 6), torch.zeros(10, dtype=torch.long)


class Divided(InMemory):
    def training_data(self) -> Any:
        data = TensorDataset(*self.train)
        return DataLoader(data, 10, sampler=DistributedSampler(data, num_replicas=2, rank=0))


class FailsAtTheTest(InMemory):
    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> Any:
        raise NameError("no such metric")


class Dropouts(InMemory):
    """Every dropout module, on inputs of several shapes."""

    def model(self) -> nn.Module:
        return Droppers()


class Droppers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from lrtui.tasks.dropout import ByteDropout

        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)
        self.flat, self.bytes, self.alpha = nn.Dropout(0.3), ByteDropout(0.25), nn.AlphaDropout(0.1)
        self.rows, self.channels, self.features = nn.Dropout1d(0.2), nn.Dropout2d(0.2), nn.FeatureAlphaDropout(0.1)
        self.volumes, self.tokens = nn.Dropout3d(0.2), nn.Dropout(0.2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.alpha(self.bytes(self.flat(self.first(inputs))))
        hidden = self.rows(hidden.view(-1, 4, 2))
        hidden = self.channels(hidden.view(-1, 2, 2, 2).to(memory_format=torch.channels_last))
        hidden = self.features(self.volumes(hidden.reshape(-1, 2, 2, 1, 2)))
        # several rows for each sample
        hidden = self.tokens(hidden.reshape(-1, 2)).view(-1, 8)
        return self.last(hidden)


class Functions(InMemory):
    """A model that draws random numbers in functions, once again where activations are computed again."""

    def model(self) -> nn.Module:
        return Drawing()


class Drawing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = checkpoint(self.drop, self.first(inputs), use_reentrant=False)
        if torch.rand(1) < 0.5:
            hidden = hidden * 2.0
        paths = hidden.new_empty(len(hidden), 1).bernoulli_(0.8) / 0.8
        noise = torch.randn_like(hidden) * torch.rand(len(hidden), 1) + torch.randint(0, 2, (len(hidden), 8))
        return self.last((hidden + 0.1 * noise) * paths)

    def drop(self, hidden: torch.Tensor) -> torch.Tensor:
        hidden = dropout(hidden, 0.3, self.training)
        # several rows for each sample
        return dropout(hidden.reshape(-1, 2), 0.2, self.training).view_as(hidden)


class Attention(InMemory):
    """A step that returns which values the dropout within a layer has left."""

    def model(self) -> nn.Module:
        return nn.Linear(6, 2)

    def step(self, model: nn.Module, batch: Any) -> Any:
        ones = torch.ones(len(batch[0]), 1, 8, 8)
        left = scaled_dot_product_attention(ones, ones, ones, dropout_p=0.5) + scaled_dot_product_attention(*[ones] * 3)
        Attention.seen.append(tuple(left[0, 0, :, 0].tolist()))
        return cross_entropy(model(batch[0]), batch[1]), {"next": torch.rand(())}

    test_step = None
    metrics = None
    seen: list[tuple[float, ...]] = []


ALL = [
    InMemory, AsDataset, OwnLoader, AsStream, OwnReader, OwnBatchSampler, OwnStep, Manual, LossFromModel, Lbfgs,
    WholeSet, WithBatchNorm, Dropouts, Functions,
]  # fmt: skip


def lightning_task() -> Any:
    """A LightningModule that logs a value and an object of torchmetrics in its tests."""
    import lightning
    from torchmetrics.classification import MulticlassAccuracy

    import lrtui.tasks

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.accuracy = nn.Linear(6, 2), MulticlassAccuracy(2, average="micro")

        def training_step(self, batch: Any, index: int) -> Any:
            loss = cross_entropy(self.layer(batch[0]), batch[1])
            self.log("again", loss)
            return loss

        def validation_step(self, batch: Any, index: int) -> Any:
            outputs = self.layer(batch[0])
            self.accuracy(outputs, batch[1])
            self.log("accuracy", self.accuracy)
            self.log("mean", outputs.square().mean())
            return cross_entropy(outputs, batch[1])

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=0.01)

    data = InMemory()
    train = DataLoader(TensorDataset(*data.train), 10, shuffle=True)
    return lrtui.tasks.from_lightning(Module, train, DataLoader(TensorDataset(*data.test), 40))
