"""The state of a task is saved and restored; what of it is not saved is named."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from run_record import RunRecorder, assert_same, of
from tiny_task import Tiny
from torchmetrics import MeanMetric
from training_runs import run_events, tiny_spec

from lrtui.run.commands import RangeTest, SaveCheckpoint, Stop
from lrtui.run.events import CheckpointSaved, Event, Notice, RunFinished, StepDone
from lrtui.run.range_feed import RangeFeed, Sweep
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.format import load_checkpoint, save_checkpoint
from lrtui.training.checkpoint.policy import Checkpoints


class Distilled(Tiny):
    """Follows a mean of its own weights, and trains a second model with an optimizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        # has no values, so there is nothing to save
        self.criterion = torch.nn.CrossEntropyLoss()
        self.weights = {"constant": torch.nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))}
        self.calls = 0

    def model(self) -> torch.nn.Module:
        model = super().model()
        self.teacher = copy.deepcopy(model).requires_grad_(False)
        self.second = [torch.nn.Linear(4, 2)]
        self.own_optimizer = torch.optim.SGD(self.second[0].parameters(), lr=0.1, momentum=0.9)
        self.running = MeanMetric()
        return model

    def step(self, model: torch.nn.Module, batch: Any) -> Any:
        inputs, targets = batch
        outputs = model(inputs)
        if model.training:
            self.calls += 1
            self.own_optimizer.zero_grad()
            self.criterion(self.second[0](inputs), targets).backward()
            self.own_optimizer.step()
            with torch.no_grad():
                for mean, new in zip(self.teacher.parameters(), model.parameters(), strict=True):
                    # the idiom that autograd's version counters don't see
                    mean.data.mul_(0.9).add_(new.data, alpha=0.1)
        guided = (outputs - self.teacher(inputs) - self.second[0](inputs).detach()).square().mean()
        loss = self.criterion(outputs, targets) + 0.1 * guided * (1 + self.calls % 3)
        if model.training:
            self.running.update(loss.detach())
            # the running mean of all losses so far
            loss = loss + 0 * self.running.compute()
            return loss, {"running": self.running.compute()}
        return loss, outputs


class WithState(Distilled):
    def state_dict(self) -> dict[str, Any]:
        return {
            "teacher": self.teacher.state_dict(),
            "second": [each.state_dict() for each in self.second],
            "optimizer": self.own_optimizer.state_dict(),
            "running": self.running.metric_state,
            "calls": self.calls,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.teacher.load_state_dict(state["teacher"])
        self.second[0].load_state_dict(state["second"][0])
        self.own_optimizer.load_state_dict(state["optimizer"])
        for name, value in state["running"].items():
            setattr(self.running, name, value)
        self.running._update_count = 1
        self.calls = state["calls"]


SPEC = tiny_spec(epochs=3)


def warnings(events: list[Event], code: str) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.code == code]


@pytest.mark.filterwarnings("ignore:The ``compute`` method:UserWarning")
def test_a_task_with_state_is_resumed_to_the_bit_and_nothing_is_unsaved(recording: RunRecorder, tmp_path: Path) -> None:
    whole = recording.run(SPEC, make_task=WithState)
    pieces = recording.run_in_pieces(SPEC, (4, 6, 11), tmp_path, make_task=WithState)
    assert_same(whole, pieces)
    metrics = [event.metrics for piece in pieces for event in of(StepDone, piece.events)]
    assert metrics == [event.metrics for event in of(StepDone, whole.events)]
    for piece in pieces:
        assert warnings(piece.events, "checkpoint") == warnings(piece.events, "resume") == []


@pytest.mark.parametrize("task", [WithState, Distilled])
def test_a_range_test_leaves_no_trace_in_what_the_task_holds(task: type[Distilled], recording: RunRecorder) -> None:
    whole = recording.run(SPEC, make_task=task)
    feed = RangeFeed()
    tested = recording.run(SPEC, {4: [RangeTest(Sweep(1e-4, 1.0, 25), feed)]}, make_task=task)
    assert feed.end is not None
    assert feed.end.error is None
    assert tested.steps == whole.steps
    assert tested.end == whole.end


def test_unsaved_modules_and_optimizers_are_named_at_the_first_checkpoint_and_on_resume(
    recording: RunRecorder, tmp_path: Path
) -> None:
    pieces = recording.run_in_pieces(SPEC, (4,), tmp_path, make_task=Distilled)
    names = "teacher (Sequential), own_optimizer (SGD), running (MeanMetric), second[0] (Linear)"
    first, resumed = (piece.events for piece in pieces)
    (text,) = warnings(first, "checkpoint")
    assert sorted(text.partition("save ")[2].partition(" of the task")[0].split(", ")) == sorted(names.split(", "))
    assert "give the task state_dict() and load_state_dict(state)" in text
    place = next(index for index, event in enumerate(first) if isinstance(event, CheckpointSaved))
    assert isinstance(first[place + 1], Notice)
    (text,) = warnings(resumed, "resume")
    assert "the checkpoint does not have " in text
    assert "teacher (Sequential)" in text
    # said once
    assert warnings(resumed, "checkpoint") == []


class Fails(WithState):
    def state_dict(self) -> dict[str, Any]:
        raise KeyError("no such thing")


class ReturnsObject(WithState):
    def state_dict(self) -> dict[str, Any]:
        return {"rate": object()}


class ReturnsList(WithState):
    def state_dict(self) -> Any:
        return [1]


class CantLoad(WithState):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        raise ValueError("too old")


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Fails, r"state_dict() of the task"),
        (ReturnsObject, "the task's state_dict() contains objects other than tensors, numbers and strings"),
        (ReturnsList, "returned a list of 1: int, expected a dict"),
    ],
)
def test_a_state_that_cant_be_saved_is_said_and_training_goes_on(
    task: type[WithState], message: str, tmp_path: Path
) -> None:
    events = run_events(tiny_spec(epochs=1), task=task(), checkpoints=Checkpoints(tmp_path, 1e9))
    (text,) = warnings(events, "checkpoint")
    assert "no checkpoints are saved, so this run can't be resumed" in text
    assert message in text
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "done"


def checkpoint_of(task: Any, folder: Path) -> Path:
    events = run_events(SPEC, {4: [SaveCheckpoint(), Stop()]}, task=task, checkpoints=Checkpoints(folder, 1e9))
    return Path([event for event in events if isinstance(event, CheckpointSaved)][-1].path)


def test_what_cant_be_restored_of_a_task_is_said(tmp_path: Path) -> None:
    saved, without = checkpoint_of(WithState(), tmp_path / "a"), checkpoint_of(Tiny(), tmp_path / "b")
    failed = run_events(SPEC, task=CantLoad(), resume_point=ResumePoint(saved))[-1]
    assert isinstance(failed, RunFinished)
    assert "load_state_dict(state) of the task" in str(failed.error)
    assert "ValueError: too old" in str(failed.error)
    lost = run_events(SPEC, {5: [Stop()]}, task=Distilled(), resume_point=ResumePoint(saved))
    assert any("has no load_state_dict(state) any more" in text for text in warnings(lost, "resume"))

    class Later(Tiny):
        def state_dict(self) -> dict[str, int]:
            return {"calls": 1}

        def load_state_dict(self, state: Any) -> None:
            raise AssertionError

    later = run_events(SPEC, {5: [Stop()]}, task=Later(), resume_point=ResumePoint(without))
    assert any("the checkpoint has no state of the task" in text for text in warnings(later, "resume"))


def test_an_older_lrtui_refuses_only_checkpoints_with_a_tasks_state(tmp_path: Path) -> None:
    for task, number in ((WithState(), 2), (Tiny(), 1)):
        path = checkpoint_of(task, tmp_path / str(number))
        assert torch.load(path, weights_only=True)["format"] == number
        save_checkpoint(load_checkpoint(path), tmp_path / "again.pt")
