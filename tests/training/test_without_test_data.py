"""Runs of tasks without test data, and of those that call it validation data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from random_tasks import RandomTask
from run_record import RunRecorder, assert_same, of
from torch.nn.functional import cross_entropy
from training_runs import run_events, tiny_spec

from lrtui.__main__ import main
from lrtui.run.commands import EvaluateNow
from lrtui.run.errors import LrtuiError
from lrtui.run.events import CommandRefused, EpochDone, EvalDone, EvaluationStarted, RunFinished
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.training.run_setup import set_up


class Untested:
    """A model with a lazy module and BatchNorm."""

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.LazyLinear(8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 2))

    def training_data(self) -> Any:
        return RandomTask("in memory").training_data()

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


class Validated(Untested):
    def validation_data(self) -> Any:
        return RandomTask("in memory").training_data()


class Both(Validated):
    def test_data(self) -> Any:
        raise AssertionError("the tests of a run use validation_data")


class ReturnsNone(Untested):
    best = "accuracy"

    def test_data(self) -> Any:
        return None


@pytest.mark.parametrize("make", [Untested, ReturnsNone])
def test_a_task_without_test_data_is_trained_without_tests(
    make: type[Untested], recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=3, batch_size=5, schedule="StepLR(1)")
    whole = recording.run(spec, {5: [EvaluateNow()]}, make_task=make)
    assert whole.finished.outcome == "done"
    assert whole.started.data["test"] == 0
    assert len(of(EpochDone, whole.events)) == 3
    assert not of(EvalDone, whole.events) + of(EvaluationStarted, whole.events)
    assert [event.reason for event in of(CommandRefused, whole.events)] == ["this task has no test data"]
    lrs = [event.lrs[0] for event in of(EpochDone, whole.events)]
    assert lrs == pytest.approx([0.01, 0.001, 0.0001])
    state = RunState()
    state.fold(whole.events)
    assert (state.best, state.last_test) == (None, None)
    pieces = recording.run_in_pieces(spec, [4, 18], tmp_path, make_task=make)
    assert_same(whole, pieces)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "ReduceLROnPlateau()"}, "follows the test's loss; this task has no test data"),
        ({"at": ("epoch 1: ReduceLROnPlateau()",)}, "this task has no test data"),
        ({"at": ("test 1: lr*0.5",)}, "no test data, so that no test runs"),
        ({"at": ("step 1: evaluate",)}, "no test data, so that no test runs"),
        ({"batch_size": 43}, "the last of the 2 training batches has one sample: the BatchNorm '1'"),
    ],
)
def test_what_needs_a_test_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(LrtuiError, match=message):
        set_up(tiny_spec(**settings), lambda text: None, Untested())


def test_validation_data_is_another_name_of_test_data() -> None:
    said: list[str] = []
    for make, notices in ((Validated, 0), (Both, 1)):
        said.clear()
        setup = set_up(tiny_spec(), said.append, make())
        assert (setup.data["test"], setup.metric_names) == (44, ("loss", "accuracy"))
        assert sum("use validation_data()" in text for text in said) == notices
    assert set_up(tiny_spec(), said.append, Untested()).test is None
    assert "44 training samples, no test data" in said[-1]


def test_commands_show_a_run_without_tests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = f"{tmp_path / 'mine.py'}:Mine"
    (tmp_path / "mine.py").write_text(
        "from tiny_task import Tiny\n\n\nclass Mine(Tiny):\n    def test_data(self):\n        return None\n"
    )
    store = ["--store", str(tmp_path / "store")]
    short = ["--epochs", "2", "--batch-size", "16", "--task", task, *store]
    assert main(["train", "StepLR(1)", *short]) == 0
    captured = capsys.readouterr()
    assert "Test set" not in captured.out
    assert "training samples, no test data" in captured.err
    for command in (
        ["runs", "list"],
        ["runs", "list", "--json"],
        ["runs", "show", "last"],
        ["runs", "show", "last", "--json"],
        ["runs", "export", "last"],
        ["runs", "code", "last"],
        ["preview", "StepLR(1)", "--run", "last"],
        ["branch", "last", "--at-epoch", "1", "ExponentialLR(0.5)"],
        ["runs", "compare", "1", "2"],
    ):
        status = main([*command, *store])
        captured = capsys.readouterr()
        assert (status, "Traceback" in captured.err) == (0, False), (command, captured.err)
    assert main(["race", "StepLR(1)", "ExponentialLR(0.5)", *short]) == 2
    assert "a race compares test results, and this task has no test data" in capsys.readouterr().err


def test_a_task_without_test_data_may_step_its_optimizers_itself_and_need_gradients_in_its_loss() -> None:
    class Manual(Untested):
        def model(self) -> torch.nn.Module:
            return torch.nn.Linear(RandomTask("in memory").training_data()[0].shape[1], 2)

        def step(self, model: Any, batch: Any, optimizers: Any) -> Any:
            optimizers["optimizer"].zero_grad()
            loss = cross_entropy(model(batch[0]), batch[1])
            loss.backward()
            optimizers["optimizer"].step()
            return loss

    class Penalty(Untested):
        def step(self, model: Any, batch: Any) -> Any:
            inputs = batch[0].clone().requires_grad_()
            loss = cross_entropy(model(inputs), batch[1])
            return loss + torch.autograd.grad(loss, inputs, create_graph=True)[0].square().sum()

    for task in (Manual(), Penalty()):
        finished = run_events(tiny_spec(epochs=1), task=task)[-1]
        assert isinstance(finished, RunFinished)
        assert finished.outcome == "done", finished.error
