"""Mistakes in the user's code are reported with the line in that code and with what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from training_runs import run_events

from lrtui.__main__ import main
from lrtui.run.events import EvalDone, Notice, RunFinished, RunStarted, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.training.reporter import Reporter
from lrtui.training.train import train
from lrtui.training.user_task import UserTask

HEAD = """\
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Mine:
    def model(self):
        return nn.Linear(3, 2)

    def training_data(self):
        return torch.randn(20, 3), torch.zeros(20, dtype=torch.long)

    def test_data(self):
        return torch.randn(10, 3), torch.zeros(10, dtype=torch.long)

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)

"""

# the mistake, the method that replaces the correct one, with its faulty line marked, and the message
MISTAKES = {
    "an exception in forward": (
        "class Net(nn.Module):\n    def forward(self, x):\n        return x @ torch.zeros(4, 2)  # FAULT\n"
        "Mine.model = lambda self: nn.Sequential(nn.Linear(3, 3), Net())",
        r"the model fails on inputs float32 \(8, 3\)|the model fails on inputs float32 \(10, 3\)",
    ),
    "targets of the wrong type": (
        "def loss(self, outputs, targets):\n    return nn.functional.mse_loss(outputs, targets.nope)  # FAULT\n"
        "Mine.loss = loss",
        r"loss fails on outputs float32 \(8, 2\) and targets int64 \(8,\): AttributeError.*"
        r"must return the batch's mean loss, a 0-d tensor",
    ),
    "a loss a sample": (
        "def loss(self, outputs, targets):  # FAULT\n"
        "    return nn.functional.cross_entropy(outputs, targets, reduction='none')\nMine.loss = loss",
        r"returned a float32 \(8,\); loss\(outputs, targets\) must return the batch's mean loss, a 0-d tensor",
    ),
    "a loss that is a number": (
        "def loss(self, outputs, targets):  # FAULT\n    return 1.0\nMine.loss = loss",
        r"returned a float; loss\(outputs, targets\) must return",
    ),
    "a loss that nothing depends on": (
        "def loss(self, outputs, targets):  # FAULT\n"
        "    return nn.functional.cross_entropy(outputs.detach(), targets)\nMine.loss = loss",
        "does not depend on any trained parameter",
    ),
    "a model that is none": (
        "def model(self):  # FAULT\n    return 3\nMine.model = model",
        r"returned a int, expected a torch.nn.Module",
    ),
    "an exception in model": (
        "def model(self):\n    return nn.Linear(3, 2).nope  # FAULT\nMine.model = model",
        r"model\(\) fails: AttributeError",
    ),
    "a metric that is a text": (
        "def metrics(self, outputs, targets):  # FAULT\n    return {'f1': 0.5, 'auc': '0.5'}\nMine.metrics = metrics",
        r"returned a str as the metric 'auc', expected a number, or a tensor or NumPy array of numbers or bools",
    ),
    "a metric without a name": (
        "def metrics(self, outputs, targets):  # FAULT\n    return 0.5\nMine.metrics = metrics",
        r"returned a float; metrics\(outputs, targets\) must return a mapping",
    ),
    "an exception in metrics": (
        "def metrics(self, outputs, targets):\n    return {'accuracy': outputs == targets}  # FAULT\n"
        "Mine.metrics = metrics",
        r"metrics fails on outputs float32 \(8, 2\) and targets int64 \(8,\): RuntimeError.*must return a mapping",
    ),
    "a metric called loss": (
        "def metrics(self, outputs, targets):  # FAULT\n    return {'loss': outputs}\nMine.metrics = metrics",
        "a metric named loss",
    ),
    "an exception in training_data": (
        "def training_data(self):\n    return open('/nowhere/at/all')  # FAULT\nMine.training_data = training_data",
        r"training_data\(\) fails: FileNotFoundError",
    ),
    "data of no known form": (
        "def training_data(self):  # FAULT\n    return 7\nMine.training_data = training_data",
        "returned a int; expected tensors or arrays of all samples",
    ),
    "data that can be gone through once": (
        "def training_data(self):  # FAULT\n    return iter([])\nMine.training_data = training_data",
        "which can be iterated only once",
    ),
    "inputs and targets of different lengths": (
        "def training_data(self):  # FAULT\n    return torch.zeros(5, 3), torch.zeros(4)\n"
        "Mine.training_data = training_data",
        r"returned tuple of 2: float32 \(5, 3\), float32 \(4,\), expected as many targets as inputs",
    ),
    "batches that do not fit the model": (
        "class Three(nn.Module):\n    def forward(self, left, middle, right): ...  # FAULT\n"
        "def model(self):\n    return Three()\nMine.model = model",
        r"a batch does not fit the model: it is a tuple of 2: .*\(left, middle, right\); .*step\(model, batch\)",
    ),
    "a data set that fails": (
        "class Broken(Dataset):\n    def __len__(self):\n        return 9\n    def __getitem__(self, index):\n"
        "        raise KeyError(index)  # FAULT\ndef training_data(self):\n    return Broken()\n"
        "Mine.training_data = training_data",
        r"reading the data of training_data\(\).*failed: KeyError",
    ),
    "a data set that fails in a worker": (
        "class Broken(Dataset):\n    def __len__(self):\n        return 9\n    def __getitem__(self, index):\n"
        "        raise KeyError(index)  # FAULT\ndef training_data(self):\n"
        "    return DataLoader(Broken(), batch_size=3, num_workers=1)\nMine.training_data = training_data",
        r"reading the data of training_data\(\).*failed: KeyError",
    ),
    "nothing in it": (
        "def training_data(self):  # FAULT\n    return DataLoader([], batch_size=3)\n"
        "Mine.training_data = training_data",
        "returned a data.*without|loader without batches",
    ),
    "a mistake on loading": ("raise ValueError('not today')  # FAULT", "ValueError: not today"),
}


def _write(folder: Path, mistake: str) -> tuple[Path, int]:
    file = folder / "mine.py"
    file.write_text(HEAD + mistake + "\n")
    return file, next(i for i, line in enumerate(file.read_text().splitlines(), start=1) if "# FAULT" in line)


@pytest.mark.parametrize("name", MISTAKES)
# workers are forked from a process with threads, as usual for data loaders
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_mistake_is_reported_with_the_users_line_and_what_was_expected(name: str, tmp_path: Path) -> None:
    mistake, words = MISTAKES[name]
    file, line = _write(tmp_path, mistake)
    inbox, reporter = Inbox(), Reporter(feed := LiveFeed())
    error = train(RunSpec(task=f"{file}:Mine", batch_size=8, epochs=1), inbox, reporter)
    finished = feed.take(10**6)[-1]
    assert isinstance(finished, RunFinished)
    assert finished.outcome == "failed"
    assert re.search(words, str(finished.error)), finished.error
    assert f"{file}, line {line}" in str(finished.error)
    assert str(error) == finished.error


def test_the_command_line_ends_with_1_and_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, line = _write(tmp_path, MISTAKES["an exception in forward"][0])
    words = ["train", "StepLR(1)", "--task", f"{file}:Mine", "--batch-size", "8", "--json"]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert f"{file}, line {line}" in err
    assert "Traceback" not in err


# -- data in every form that a task may return -------------------------------------------------------------------------


class Pairs(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    def __init__(self, count: int) -> None:
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(count, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[index], self.targets[index]


class Stream(IterableDataset[tuple[torch.Tensor, torch.Tensor]]):
    """A stream of samples of unknown length."""

    def __init__(self, count: int) -> None:
        self.pairs = Pairs(count)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        return (self.pairs[index] for index in range(len(self.pairs)))


class Overstated(Stream):
    def __len__(self) -> int:
        return 64


FORMS: dict[str, Callable[[int], Any]] = {
    "tensors": lambda count: (Pairs(count).inputs, Pairs(count).targets),
    "arrays": lambda count: (Pairs(count).inputs.numpy(), Pairs(count).targets.numpy()),
    "TensorDataset": lambda count: TensorDataset(Pairs(count).inputs, Pairs(count).targets),
    "Dataset": Pairs,
    "DataLoader": lambda count: DataLoader(Pairs(count), batch_size=10, shuffle=True),
    "IterableDataset": Stream,
    "DataLoader of an IterableDataset": lambda count: DataLoader(Stream(count), batch_size=10),
    "list of batches": lambda count: list(DataLoader(Pairs(count), batch_size=10)),
}


class OfForm:
    def __init__(self, form: Callable[[int], Any], train: int = 48, test: int = 25) -> None:
        self.form, self.sizes = form, (train, test)

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.1), torch.nn.Linear(8, 2))

    def training_data(self) -> Any:
        return self.form(self.sizes[0])

    def test_data(self) -> Any:
        return self.form(self.sizes[1])

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        right = outputs.argmax(dim=1) == targets
        return {"accuracy": right, "same": right.float().mean()}


def events_of(task: Any, **settings: Any) -> list[Any]:
    reporter = Reporter(feed := LiveFeed())
    train(RunSpec(**{"epochs": 2, "batch_size": 10, "schedule": "StepLR(1)", **settings}), Inbox(), reporter, task)
    return feed.take(10**6)


def of(kind: type[Any], events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@pytest.mark.parametrize("form", FORMS)
def test_data_may_come_in_many_forms(form: str) -> None:
    events = events_of(OfForm(FORMS[form]))
    assert events[-1].outcome == "done", events[-1]
    started = of(RunStarted, events)[0]
    assert (started.batches_per_epoch, started.data["train"]) in [(5, 48), (5, 50)]
    assert len(of(StepDone, events)) == 10
    for result in of(EvalDone, events):
        # 25 samples in batches of 10, 10 and 5: a mean of batch means would be another number
        assert result.accuracy * 25 == pytest.approx(round(result.accuracy * 25))
        assert result.metrics["same"] == pytest.approx(result.accuracy)


def test_forms_in_memory_are_one_and_the_same_run() -> None:
    runs = [events_of(OfForm(FORMS[form])) for form in ("tensors", "arrays", "TensorDataset")]
    losses = [[event.loss for event in of(StepDone, events)] for events in runs]
    assert losses[0] == losses[1] == losses[2]


def test_a_dataset_is_reshuffled_each_epoch_and_reproducible_by_seed() -> None:
    first, again = (events_of(OfForm(FORMS["Dataset"]), schedule='LambdaLR("1e-30")') for _ in range(2))
    losses = [event.loss for event in of(StepDone, first)]
    assert losses == [event.loss for event in of(StepDone, again)]
    # nothing is learnt at this lr, so losses differ only if the order differs
    assert losses[:5] != losses[5:]


def test_a_part_of_the_data_can_be_asked_for_in_every_form() -> None:
    for form in FORMS:
        events = events_of(OfForm(FORMS[form]), train_samples=20, test_samples=10)
        wanted = 5 if form == "list of batches" else 2
        assert of(RunStarted, events)[0].batches_per_epoch == wanted, form
    events = events_of(OfForm(FORMS["Dataset"]), train_samples=2000)
    assert any("2,000 training samples were requested, but there are only 48" in e.text for e in of(Notice, events))


def test_a_stream_without_a_length_is_counted_first_with_a_notice() -> None:
    said = [event.text for event in of(Notice, events_of(OfForm(FORMS["IterableDataset"])))]
    assert any("has no length: counting its batches" in text for text in said)


def test_an_epoch_continues_with_the_next_pass_of_a_loader_that_ends_early() -> None:
    task = OfForm(lambda count: Overstated(count) if count == 48 else Pairs(count))
    events = events_of(task)
    assert of(RunStarted, events)[0].batches_per_epoch == 7
    assert len(of(StepDone, events)) == 14
    assert any("has length 7 but returned 5 batches" in event.text for event in of(Notice, events))


def test_the_run_uses_the_loaders_batch_size() -> None:
    events = events_of(OfForm(FORMS["DataLoader"]), batch_size=64)
    assert of(RunStarted, events)[0].spec.batch_size == 10
    assert any("--batch-size 64 is ignored" in event.text for event in of(Notice, events))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_loader_with_workers_is_taken_as_it_is() -> None:
    task = OfForm(lambda count: DataLoader(Pairs(count), batch_size=10, shuffle=True, num_workers=1))
    alone = OfForm(FORMS["DataLoader"])
    losses = [[event.loss for event in of(StepDone, events_of(each))] for each in (task, alone)]
    assert losses[0] == losses[1]


class Nested(OfForm):
    """Inputs and targets that are dicts and tuples of tensors."""

    def __init__(self) -> None:
        super().__init__(
            lambda count: [({"a": Pairs(count).inputs, "b": (Pairs(count).inputs,)}, (Pairs(count).targets,))]
        )

    def model(self) -> torch.nn.Module:
        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.LazyLinear(2)

            def forward(self, inputs: Any) -> Any:
                return {"scores": self.layer(inputs["a"] + inputs["b"][0])}

        return Net().eval()

    def loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs["scores"], targets[0])

    def metrics(self, outputs: Any, targets: Any) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs["scores"].argmax(dim=1) == targets[0]}


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_inputs_outputs_and_targets_may_be_nested_and_modules_lazy() -> None:
    events = events_of(Nested())
    assert events[-1].outcome == "done", events[-1]
    assert of(RunStarted, events)[0].parameter_count == 10


def test_a_task_without_metrics_has_a_loss_only() -> None:
    events = run_events(RunSpec(task=f"{Path(__file__).parents[2] / 'examples' / 'regression.py'}:Curve", epochs=1))
    result = of(EvalDone, events)[0]
    assert result.accuracy is None
    assert set(result.metrics) == {"mae", "within 0.1"}


def test_a_schedule_may_follow_a_metric_of_the_task_and_no_other() -> None:
    task = f"{Path(__file__).parents[2] / 'examples' / 'regression.py'}:Curve"
    followed = "ReduceLROnPlateau(factor=0.5, patience=0, threshold=0.9, metric='mae')"
    events = run_events(RunSpec(task=task, epochs=3, schedule=followed, train_samples=128))
    assert of(StepDone, events)[-1].lrs == (0.005,)
    refused = run_events(RunSpec(task=task, schedule="ReduceLROnPlateau(mode='max')", train_samples=128))[-1]
    assert isinstance(refused, RunFinished)
    assert "follows the test's accuracy; the tests of this task return loss, mae, within" in str(refused.error)


def test_modules_of_a_task_are_moved_to_the_device() -> None:
    class Weighted:
        def __init__(self) -> None:
            self.loss = torch.nn.CrossEntropyLoss(weight=torch.ones(2))

    task: Any = Weighted()
    # no device but the CPU is needed for meta
    UserTask(task, "Weighted").move_modules(torch.device("meta"))
    assert task.loss.weight.device.type == "meta"
