"""What a script saves, copies and loads while it is attached."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from seen_events import see_events
from torch.optim import lr_scheduler

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.events import EpochDone, EvalDone, Event, Extended
from lrtui.schedules.command_notation import parse_command

STEPS_PER_EPOCH = 4


class Script:
    """A script that steps its scheduler after each epoch.

    Args:
        is_attached: whether lrtui is attached.
        settings: those of `attach`.
    """

    def __init__(self, is_attached: bool = True, **settings: Any) -> None:
        self.model = torch.nn.Linear(1, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.scheduler = lr_scheduler.ExponentialLR(self.optimizer, 0.5)
        self.lrs: list[float] = []
        self.events: list[Event] = []
        if is_attached:
            self.attach(**settings)
        self.epoch = 0

    def attach(self, **settings: Any) -> None:
        settings = {
            "scheduler": self.scheduler,
            "epochs": 8,
            "batches_per_epoch": STEPS_PER_EPOCH,
            "store": "none",
            **settings,
        }
        run = lrtui.attach(self.optimizer, **settings)
        assert isinstance(run, AttachedRun)
        self.run = run
        see_events(run, self.events)

    def send(self, text: str) -> None:
        self.run._publisher.inbox.send(parse_command(text))

    def train(self, epochs: int, commands: dict[tuple[int, int], str] | None = None) -> None:
        for _ in range(epochs):
            for batch in range(STEPS_PER_EPOCH):
                if command := (commands or {}).get((self.epoch, batch)):
                    self.send(command)
                self.optimizer.step()
                self.lrs.append(self.optimizer.param_groups[0]["lr"])
            self.scheduler.step()
            self.epoch += 1

    def save(self, path: Path) -> None:
        torch.save({"optimizer": self.optimizer.state_dict(), "scheduler": self.scheduler.state_dict()}, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])


CHANGES: dict[str, dict[tuple[int, int], str]] = {
    "nudge": {(1, 1): "lr*0.3"},
    "switch": {(1, 0): "StepLR(step_size=1, gamma=0.9)", (1, 2): "lr*0.3"},
    "switch per batch": {(0, 3): "CosineAnnealingLR(T_max=30, per='batch')", (1, 2): "lr*0.3"},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("saved_after", [2, 3])
def test_a_checkpoint_of_the_script_has_the_changes_of_commands(
    changes: dict[tuple[int, int], str], saved_after: int, tmp_path: Path
) -> None:
    whole = Script()
    whole.train(saved_after, changes)
    whole.save(tmp_path / "checkpoint.pt")
    whole.train(4)
    for attach_first in (True, False):
        resumed = Script(attach_first)
        resumed.load(tmp_path / "checkpoint.pt")
        if not attach_first:
            resumed.attach()
        resumed.train(4)
        assert resumed.lrs == whole.lrs[saved_after * STEPS_PER_EPOCH :]


def test_a_checkpoint_without_changes_is_that_of_the_script_alone(tmp_path: Path) -> None:
    attached, alone = Script(), Script(is_attached=False)
    attached.train(2)
    alone.train(2)
    assert attached.scheduler.state_dict() == alone.scheduler.state_dict()
    assert attached.optimizer.state_dict() == alone.optimizer.state_dict()


def test_without_lrtui_a_checkpoint_continues_as_pytorch_does_and_the_changes_do_not_come_back(tmp_path: Path) -> None:
    attached = Script()
    attached.train(2, CHANGES["switch"])
    lr = attached.optimizer.param_groups[0]["lr"]
    attached.save(tmp_path / "checkpoint.pt")
    alone = Script(is_attached=False)
    alone.load(tmp_path / "checkpoint.pt")
    alone.train(2)
    # ExponentialLR multiplies the lr that the optimizer has
    assert alone.lrs == [lr] * 4 + [lr * 0.5] * 4
    alone.save(tmp_path / "later.pt")
    alone.train(1)
    for attach_first in (True, False):
        again = Script(attach_first)
        again.load(tmp_path / "later.pt")
        if not attach_first:
            again.attach()
        again.train(1)
        assert again.lrs == alone.lrs[-4:]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_are_free_of_lrtui(copied: Any) -> None:
    script = Script()
    script.train(1, {(0, 2): "lr*0.5"})
    optimizer, scheduler, model = copied((script.optimizer, script.scheduler, script.model))
    assert type(scheduler) is lr_scheduler.ExponentialLR
    assert scheduler.optimizer is optimizer
    steps = script.run._schedule.steps
    optimizer.step()
    scheduler.step()
    assert script.run._schedule.steps == steps
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.5 * 0.5 * 0.5)
    assert script.optimizer.param_groups[0]["lr"] == 0.1 * 0.5 * 0.5
    script.train(1)
    assert model.weight.equal(script.model.weight)


@pytest.mark.parametrize("logs_itself", [True, False])
def test_a_test_on_command_ends_no_epoch(logs_itself: bool) -> None:
    def evaluate() -> dict[str, float] | None:
        torch.rand(1)
        if not logs_itself:
            return {"loss": 0.7}
        script.run.log_eval(loss=0.7)
        return None

    # the epochs end with the tests of the script
    script = Script(scheduler=None, evaluate=evaluate, epochs=None, batches_per_epoch=None)
    torch.manual_seed(0)
    drawn = []
    for step in range(9):
        if command := {1: "StepLR(step_size=1, gamma=0.5)", 2: "evaluate", 4: "evaluate"}.get(step):
            script.send(command)
        script.optimizer.step()
        script.lrs.append(script.optimizer.param_groups[0]["lr"])
        drawn.append(torch.rand(1).item())
        if step % 3 == 2:
            script.run.log_eval(loss=0.5)
    assert script.lrs == [0.1] * 3 + [0.05] * 3 + [0.025] * 3
    losses = [event.loss for event in script.events if isinstance(event, EvalDone)]
    assert losses == [0.7, 0.5, 0.7, 0.5, 0.5]
    torch.manual_seed(0)
    assert drawn == [torch.rand(1).item() for _ in range(9)]


def test_a_loop_over_the_epochs_of_the_run_is_as_long_as_the_run() -> None:
    script = Script(epochs=2)
    seen = []
    for epoch in script.run.epochs():
        seen.append(epoch)
        script.train(1, {(1, 1): "extend 2"})
    script.run.finish()
    assert seen == [0, 1, 2, 3]
    assert script.lrs == [0.1 * 0.5**epoch for epoch in range(4) for _ in range(STEPS_PER_EPOCH)]
    assert [event.total_steps for event in script.events if isinstance(event, Extended)] == [16]


def test_what_comes_before_the_second_step_follows_the_start_of_the_run() -> None:
    script = Script(epochs=3, batches_per_epoch=1)
    script.run.log_eval(loss=0.9)
    for _ in range(3):
        script.optimizer.step()
        script.run.log(loss=0.5)
        script.scheduler.step()
    script.run.finish()
    assert [(event.step, type(event).__name__) for event in script.events] == [
        (0, "RunStarted"),
        (0, "EvalDone"),
        (0, "StepDone"),
        (1, "EpochDone"),
        (1, "StepDone"),
        (2, "EpochDone"),
        (2, "StepDone"),
        (3, "EpochDone"),
        (3, "RunFinished"),
    ]
    assert [event.seq for event in script.events] == list(range(9))
    assert [event.lrs for event in script.events if isinstance(event, EpochDone)] == [(0.1,), (0.05,), (0.025,)]
    assert sorted(script.events, key=lambda event: event.seconds) == script.events
