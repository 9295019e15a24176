"""The state of a script's scheduler, with what commands have changed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.events import Event, RunFinished
from lrtui.schedules.command_notation import parse_command

ORDERS = {
    "nudged": {3: ["lr*0.5", "lr*3"]},
    "switched": {3: ['ExponentialLR(gamma=0.9, per="batch") from current'], 5: ["lr*0.5"]},
    "with momentum": {3: ["OneCycleLR(max_lr=0.3, total_steps=60)"]},
    "undone": {3: ['ExponentialLR(gamma=0.9, per="batch") from current', "lr*0.5"], 6: ["undo"]},
    "switched again": {3: ["OneCycleLR(max_lr=0.3, total_steps=60)"], 14: ["LinearLR(total_iters=9) from base"]},
    "switched late": {3: ["lr*0.5"], 14: ['ExponentialLR(gamma=0.9, per="batch") from base']},
}
"""Commands by the steps done."""


class Script:
    """A script that trains nothing, with SGD and StepLR."""

    def __init__(self) -> None:
        self.optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        self.scheduler = lr_scheduler.StepLR(self.optimizer, 5, gamma=0.7)
        self.used: list[tuple[float, float]] = []
        self.events: list[Event] = []
        self.run: Any = None

    def attach(self, **arguments: Any) -> None:
        self.run = lrtui.attach(self.optimizer, self.scheduler, store="none", **arguments)
        assert isinstance(self.run, AttachedRun)
        self.run._reporter.feed.listener = self.events.append
        self.optimizer.register_step_pre_hook(self.note)

    def note(self, *_: Any) -> None:
        [group] = self.optimizer.param_groups
        self.used.append((group["lr"], group["momentum"]))

    def train(self, steps: range, orders: dict[int, list[str]]) -> None:
        for step in steps:
            for words in orders.get(step, ()):
                self.run._publisher.inbox.send(parse_command(words))
            self.optimizer.step()
            self.scheduler.step()

    def state(self) -> tuple[Any, Any]:
        return copy.deepcopy((self.optimizer.state_dict(), self.scheduler.state_dict()))


@pytest.mark.parametrize("attach_first", [True, False])
@pytest.mark.parametrize("scheduler_first", [True, False])
@pytest.mark.parametrize("kind", ORDERS)
def test_a_loaded_state_continues_with_the_changes_of_commands(
    kind: str, attach_first: bool, scheduler_first: bool
) -> None:
    whole = Script()
    whole.attach()
    whole.train(range(10), ORDERS[kind])
    of_optimizer, of_scheduler = whole.state()
    whole.train(range(10, 20), ORDERS[kind])
    resumed = Script()
    if attach_first:
        resumed.attach()
    if scheduler_first:
        resumed.scheduler.load_state_dict(of_scheduler)
    resumed.optimizer.load_state_dict(of_optimizer)
    if not scheduler_first:
        resumed.scheduler.load_state_dict(of_scheduler)
    if not attach_first:
        resumed.attach()
    assert not hasattr(resumed.scheduler, "lrtui")
    resumed.train(range(10, 20), ORDERS[kind])
    assert resumed.used == whole.used[10:]


def test_a_script_that_looks_at_the_flag_ends_its_run_with_the_state_of_its_scheduler() -> None:
    script = Script()
    script.attach(on_stop="flag")
    script.train(range(5), {2: ["lr*0.5"], 4: ["stop"]})
    assert script.run.stopped
    # the step that follows the command is made with the lr of the run
    assert [lr for lr, _ in script.used] == [0.1, 0.1, 0.05, 0.05, 0.05]
    assert script.scheduler.get_last_lr() == [0.1 * 0.7 * 0.5]
    assert "lrtui" in script.scheduler.state_dict()
    assert not any(isinstance(event, RunFinished) for event in script.events)
    script.run.finish()
    [finished] = [event for event in script.events if isinstance(event, RunFinished)]
    assert finished.outcome == "stopped"
    assert finished.command_id
