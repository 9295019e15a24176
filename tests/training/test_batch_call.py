"""Batches of any form reach the model, the loss and the metrics as the user's own loop would pass them."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict, namedtuple
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_task import Tiny
from torch import nn
from torch.nn.functional import cross_entropy
from training_runs import run_events, tiny_spec

from lrtui.run.errors import TaskError
from lrtui.run.events import EvalDone, Notice, RunFinished, StepDone
from lrtui.training.batch_call import BatchReader, describe_batch
from lrtui.training.batches import sample_count, to_device

X, X2, Y, W = torch.zeros(6, 4), torch.zeros(6, 3), torch.zeros(6), torch.ones(6)


class One(nn.Module):
    def forward(self, inputs: Any) -> Any: ...


class Two(nn.Module):
    def forward(self, left: Any, right: Any) -> Any: ...


class Maybe(nn.Module):
    def forward(self, ids: Any, targets: Any = None) -> Any: ...


class Bert(nn.Module):
    def forward(self, input_ids: Any = None, attention_mask: Any = None, labels: Any = None) -> Any: ...


class Named(nn.Module):
    def forward(self, *, image: Any) -> Any: ...


class Anything(nn.Module):
    def forward(self, *args: Any, **kwargs: Any) -> Any: ...


@pytest.mark.parametrize(
    ("model", "batch", "args", "kwargs", "targets", "text"),
    [
        (One(), (X, Y), (X,), {}, Y, "model(inputs)"),
        (One(), [X, Y], (X,), {}, Y, "model(inputs)"),
        (nn.Sequential(), (X, Y), (X,), {}, Y, "model(inputs)"),
        (Anything(), (X, Y), (X,), {}, Y, "model(inputs)"),
        (Maybe(), (X, Y), (X,), {}, Y, "model(inputs)"),
        (Two(), (X, Y), (X, Y), {}, Y, "model(inputs, targets)"),
        (Two(), ((X, X2), Y), (X, X2), {}, Y, "model(*inputs)"),
        (One(), ((X, X2), Y), ((X, X2),), {}, Y, "model(inputs)"),
        # two images of a detection batch are no two inputs
        (Maybe(), ([X, X2], [Y, W]), ([X, X2],), {}, [Y, W], "model(inputs)"),
        (Named(), ({"image": X}, Y), (), {"image": X}, Y, "model(**inputs)"),
        (One(), ({"image": X}, Y), ({"image": X},), {}, Y, "model(inputs)"),
        (Two(), (X, X2, Y), (X, X2), {}, Y, "model(*batch[:2])"),
        (One(), (X, Y, W), (X,), {}, (Y, W), "model(batch[0])"),
        (One(), X, (X,), {}, X, "model(batch)"),
        (One(), (X,), (X,), {}, X, "model(batch[0])"),
        (Named(), {"image": X, "label": Y}, (), {"image": X}, Y, "model(image=)"),
        (One(), {"image": X, "label": Y}, (X,), {}, Y, "model(batch['image'])"),
        (Anything(), {"ids": X, "labels": Y}, (), {"ids": X}, Y, "model(ids=)"),
        (Bert(), {"input_ids": X, "labels": Y}, (), {"input_ids": X, "labels": Y}, Y, "model(**batch)"),
        (Named(), {"image": X, "a": Y, "b": W}, (), {"image": X}, {"a": Y, "b": W}, "model(image=)"),
    ],
)
def test_a_batch_is_split_by_its_form_and_by_the_parameters_of_forward(
    model: nn.Module, batch: Any, args: Any, kwargs: Any, targets: Any, text: str
) -> None:
    call = BatchReader(model, has_loss=True).read(batch)
    assert same(call.args, args)
    assert same(call.kwargs, kwargs)
    assert same(call.targets, targets)
    assert call.text == text


@pytest.mark.parametrize(
    ("model", "batch", "args", "kwargs", "targets"),
    [
        (Maybe(), (X, Y), (X, Y), {}, Y),
        (Bert(), UserDict(input_ids=X, labels=Y), (), {"input_ids": X, "labels": Y}, Y),
        (Bert(), {"input_ids": X, "idx": W, "labels": Y}, (), {"input_ids": X, "labels": Y}, W),
        (Anything(), {"ids": X, "labels": Y}, (), {"ids": X, "labels": Y}, Y),
        (One(), (X, Y), (X,), {}, Y),
        (One(), X, (X,), {}, X),
    ],
)
def test_a_model_that_returns_its_loss_gets_all_that_it_takes(
    model: nn.Module, batch: Any, args: Any, kwargs: Any, targets: Any
) -> None:
    call = BatchReader(model, has_loss=False).read(batch)
    assert same(call.args, args)
    assert same(call.kwargs, kwargs)
    assert same(call.targets, targets)


@pytest.mark.parametrize(
    ("model", "batch", "has_loss"),
    [
        (Two(), (X, X2, Y, W), True),
        (Named(), {"picture": X, "other": Y}, True),
        (Two(), {"left": X, "label": Y}, True),
        (One(), {"image": X, "depth": X2, "label": Y}, True),
        (One(), (), True),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(model: nn.Module, batch: Any, has_loss: bool) -> None:
    with pytest.raises(TaskError, match=r"a batch does not fit the model: .*expected .*step|a batch is empty"):
        BatchReader(model, has_loss).read(batch)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (tuple, list)) and isinstance(right, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    return left is right


@dataclass(frozen=True)
class Graph:
    nodes: torch.Tensor
    edges: list[torch.Tensor]


class WithTo:
    def to(self, device: torch.device) -> str:
        return f"on {device}"


Pair = namedtuple("Pair", "inputs targets")


def test_tensors_are_moved_to_the_device_whatever_their_nesting() -> None:
    meta = torch.device("meta")
    factory = defaultdict(list, {"x": X})
    moved = to_device(
        [
            Pair(X, {"a": (X, "text")}),
            factory,
            OrderedDict(x=X),
            UserDict(x=X),
            Graph(X, [X]),
            WithTo(),
            3,
            SimpleNamespace(x=X),
        ],
        meta,
    )
    assert moved[0].inputs.device == moved[0].targets["a"][0].device == meta
    assert isinstance(moved[0], Pair)
    assert moved[0].targets["a"][1] == "text"
    assert moved[1]["x"].device == meta
    assert moved[1]["new"] == []
    assert isinstance(moved[2], OrderedDict)
    assert isinstance(moved[3], UserDict)
    assert moved[3]["x"].device == moved[4].nodes.device == moved[4].edges[0].device == meta
    assert moved[5:7] == ["on meta", 3]
    assert moved[7].x.device == meta
    assert factory["x"] is X


@pytest.mark.parametrize(
    "batch", [X, (X, X2, Y), {"x": X, "y": Y, "scale": torch.tensor(2.0)}, UserDict(x=X), Graph(X, [X, X]), [X] * 6]
)
def test_samples_are_counted_in_batches_that_are_no_pairs(batch: Any) -> None:
    assert sample_count(batch) == 6


def test_the_line_about_a_batch_names_its_parts() -> None:
    assert describe_batch((X, Y.long())) == "pair of inputs (float32 (6, 4)) and targets (int64 (6,))"
    assert describe_batch(([X, X], [{}, {}])) == "pair of inputs (list of 2) and targets (list of 2)"
    assert describe_batch({"input_ids": X, "labels": Y}) == "dict of input_ids, labels"
    assert describe_batch((X, X2, Y)) == "tuple of 3 (float32 (6, 4), float32 (6, 3), float32 (6,))"
    assert describe_batch(X) == "float32 (6, 4)"
    assert (
        describe_batch({f"k{number}": X for number in range(10)}) == "dict of k0, k1, k2, k3, k4, k5, k6, k7 and 2 more"
    )
    assert describe_batch([Y] * 300).endswith("float32 (6,), float32 (6,) and 292 more)")


# -- whole runs: the same numbers in every form ------------------------------------------------------------------------


class Reshaped(Tiny):
    """The same batches in another form, in the order and with the weights of the plain task."""

    wrap: Any = None

    def training_data(self) -> Any:
        return self.reshaped(super().training_data())

    def test_data(self) -> Any:
        return self.reshaped(super().test_data())

    def reshaped(self, data: Any) -> Any:
        return [type(self).wrap(*pair) for pair in zip(*(part.split(16) for part in data), strict=True)]


class AsPairs(Reshaped):
    wrap = staticmethod(lambda x, y: (x, y))


class AsDicts(Reshaped):
    wrap = staticmethod(lambda x, y: {"x": x, "label": y})


class Classifier(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner


class OwnLoss(Classifier):
    """As in transformers."""

    def forward(self, input_ids: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        logits = self.inner(input_ids)
        return SimpleNamespace(loss=cross_entropy(logits, labels), logits=logits) if labels is not None else logits


class AsBert(Reshaped):
    wrap = staticmethod(lambda x, y: UserDict(input_ids=x, labels=y))
    loss = None  # type: ignore[assignment]

    def model(self) -> nn.Module:
        return OwnLoss(super().model())

    def metrics(self, outputs: Any, targets: Any) -> Any:
        return super().metrics(outputs.logits, targets)


class LogitsAndLoss(Classifier):
    """As in nanoGPT."""

    def forward(self, ids: torch.Tensor, targets: torch.Tensor | None = None) -> Any:
        logits = self.inner(ids)
        return logits, None if targets is None else cross_entropy(logits, targets)


class AsGPT(Reshaped):
    wrap = staticmethod(lambda x, y: (x, y))
    loss = None  # type: ignore[assignment]

    def model(self) -> nn.Module:
        return LogitsAndLoss(super().model())


class Halves(Classifier):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.inner(torch.cat([left, right], dim=1))
        return outputs


class AsTwoInputs(Reshaped):
    wrap = staticmethod(lambda x, y: (x[:, :2], x[:, 2:], y))

    def model(self) -> nn.Module:
        return Halves(super().model())


class OwnStep(Reshaped):
    wrap = staticmethod(lambda x, y: SimpleNamespace(x=x, y=y))
    loss = None  # type: ignore[assignment]

    def step(self, model: nn.Module, batch: Any) -> Any:
        outputs = model(batch.x)
        return cross_entropy(outputs, batch.y), {"half": 0.5, "spread": outputs.std()}

    def test_step(self, model: nn.Module, batch: Any) -> Any:
        outputs = model(batch.x)
        return cross_entropy(outputs, batch.y), {"accuracy": (outputs.argmax(1) == batch.y).float().mean()}

    metrics = None  # type: ignore[assignment]


def numbers(events: list[Any]) -> Iterator[float]:
    assert events[-1].outcome == "done", events[-1].error
    for event in events:
        if isinstance(event, (StepDone, EvalDone)):
            yield event.loss
        if isinstance(event, EvalDone):
            yield round(event.accuracy or 0.0, 6)


def test_the_numbers_are_the_same_in_every_form_and_the_run_says_how_it_reads_them() -> None:
    expected = list(numbers(run_events(tiny_spec(epochs=1), task=AsPairs())))
    for task, line in (
        (AsDicts(), "dict of x, label; model(batch['x']); loss(outputs, targets)"),
        (AsBert(), "dict of input_ids, labels; model(**batch); loss from the model"),
        (AsGPT(), "pair of inputs (float32 (16, 4)) and targets (int64 (16,)); model(*batch); loss from the model"),
        (AsTwoInputs(), "model(*batch[:2]); loss(outputs, targets)"),
        (OwnStep(), "SimpleNamespace; step(model, batch)"),
    ):
        events = run_events(tiny_spec(epochs=1), task=task)
        assert list(numbers(events)) == expected, task
        said = [event.text for event in events if isinstance(event, Notice) and event.code == "batch"]
        assert len(said) == 1
        assert said[0].endswith(line)


def test_a_model_without_a_loss_needs_one_from_the_task() -> None:
    class NoLoss(AsPairs):
        loss = None  # type: ignore[assignment]

    error = str(run_events(tiny_spec(), task=NoLoss())[-1].error)  # type: ignore[attr-defined]
    assert "test_batch_call.py, line" in error
    assert "has no loss(outputs, targets), and the model, called as model(*batch[:1]), returned no loss but a" in error
    assert error.endswith("add one of loss(outputs, targets) and step(model, batch) to the task")


def test_metrics_need_the_outputs_of_a_step() -> None:
    class NoOutputs(OwnStep):
        metrics = Tiny.metrics  # type: ignore[assignment]

    error = str(run_events(tiny_spec(), task=NoOutputs())[-1].error)  # type: ignore[attr-defined]
    assert "metrics(outputs, targets) has no outputs: return (loss, outputs) from test_step (" in error


def test_named_values_of_a_step_are_metrics_of_the_step() -> None:
    events = run_events(tiny_spec(epochs=1, accumulate=2), task=OwnStep())
    steps = [event for event in events if isinstance(event, StepDone)]
    assert {event.metrics["half"] for event in steps} == {0.5}
    assert len({event.metrics["spread"] for event in steps}) == len(steps) > 1


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3.0, "returned a float; "),
        (None, "returned a NoneType; "),
        (torch.zeros(2), r"returned a float32 \(2,\); "),
        (torch.tensor(3), r"returned a int64 \(\); "),
        ((0.5, {}), "returned a pair whose first part is a float; "),
        ((torch.zeros(2), X), r"returned a pair whose first part is a float32 \(2,\); "),
        ({"loss": torch.tensor(1.0)}, r"returned a dict of loss: float32 \(\); "),
        ((torch.tensor(1.0), {"lr": 1.0}), "returns a value named lr, the name of another pane"),
    ],
)
def test_a_step_that_returns_something_else_is_explained(returned: Any, message: str) -> None:
    class Wrong(OwnStep):
        test_step = None  # type: ignore[assignment]

        def step(self, model: nn.Module, batch: Any) -> Any:
            return returned

    finished = run_events(tiny_spec(epochs=1), task=Wrong())[-1]
    assert isinstance(finished, RunFinished)
    with pytest.raises(AssertionError, match=rf"step .*test_batch_call.*{message}"):
        raise AssertionError(finished.error)


def test_a_test_in_training_mode_does_not_change_the_statistics_of_batch_norm() -> None:
    class Normed(AsPairs):
        metrics = None  # type: ignore[assignment]

        def model(self) -> nn.Module:
            return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))

        def test_step(self, model: nn.Module, batch: Any) -> torch.Tensor:
            return cross_entropy(model(batch[0]), batch[1])

    class InTrainingMode(Normed):
        """As for the losses of torchvision's detection models."""

        tests = 0

        def test_step(self, model: nn.Module, batch: Any) -> torch.Tensor:
            self.tests += 1
            # the trial of a batch and two tests; the two batches of the third one see what these have left
            if self.tests <= 1 + 2 * 2:
                model.train()
            return super().test_step(model, batch)

    def losses(task: Any) -> tuple[list[float], float]:
        events = run_events(tiny_spec(epochs=3), task=task)
        tests = [event.loss for event in events if isinstance(event, EvalDone)]
        return [event.loss for event in events if isinstance(event, StepDone)], tests[-1]

    assert losses(InTrainingMode()) == losses(Normed())
