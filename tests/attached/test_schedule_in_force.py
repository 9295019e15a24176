"""Scripts of other forms: without a scheduler, with several optimizers, with epochs of unknown length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from seen_events import see_events
from torch.optim import lr_scheduler

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.evaluations import epoch_results
from lrtui.run.events import CommandRefused, EpochDone, Event, LrSet, Notice, RunFinished, ScheduleSwitched, StepDone
from lrtui.run.state import RunState
from lrtui.schedules.command_notation import parse_command


class Script:
    """A script that trains nothing; records what each step used, and the events.

    Args:
        optimizer: one, or several by name.
        settings: those of `attach`.
    """

    def __init__(self, optimizer: Any, scheduler: Any = None, **settings: Any) -> None:
        run = lrtui.attach(optimizer, scheduler, store="none", **settings)
        assert isinstance(run, AttachedRun)
        self.run, self.events = run, list[Event]()
        see_events(run, self.events)
        self.used: list[float] = []
        first = next(iter(optimizer.values())) if isinstance(optimizer, dict) else optimizer
        first.register_step_pre_hook(lambda each, *_: self.used.append(float(each.param_groups[0]["lr"])))

    def send(self, text: str) -> None:
        self.run._publisher.inbox.send(parse_command(text))

    def of(self, kind: type[Event]) -> list[Any]:
        self.run._publisher.flush()
        return [event for event in self.events if isinstance(event, kind)]


def sgd(lr: float | torch.Tensor = 0.1, groups: int = 1) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=lr)


@pytest.mark.parametrize("in_place", [True, False])
def test_what_a_script_writes_to_lrs_that_are_tensors_does_not_change_the_schedule_of_a_switch(in_place: bool) -> None:
    optimizer = sgd(torch.tensor(0.5, dtype=torch.float64))
    script = Script(optimizer, epochs=1, batches_per_epoch=8)
    for step in range(8):
        lr = 0.5 / (1 + step)
        if in_place:
            optimizer.param_groups[0]["lr"].fill_(lr)
        else:
            optimizer.param_groups[0]["lr"] = torch.tensor(lr, dtype=torch.float64)
        if step == 3:
            script.send('ExponentialLR(gamma=0.5, per="batch") from current')
        optimizer.step()
    assert script.used[:3] == [0.5, 0.5 / 2, 0.5 / 3]
    assert script.used[3:] == [0.5 / 4 * 0.5**step for step in range(5)]
    script.run.finish()
    assert [event.lrs[0] for event in script.of(StepDone)] == script.used


def test_a_script_that_sets_its_lr_reads_back_what_it_has_set_and_trains_with_the_scaled_lr() -> None:
    optimizer = sgd()
    script = Script(optimizer, epochs=1, batches_per_epoch=8)
    read = []
    for step in range(8):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        if step == 3:
            script.send("lr*0.5")
        if step == 6:
            script.send("undo")
        optimizer.step()
        read.append(optimizer.param_groups[0]["lr"])
    own = [0.1 / (1 + step) for step in range(8)]
    assert read == own
    assert script.used == [lr * 0.5 if 3 <= step < 6 else lr for step, lr in enumerate(own)]
    script.run.finish()
    assert [event.lrs[0] for event in script.of(StepDone)] == script.used
    assert script.of(LrSet)[0].lrs_after == (own[3] * 0.5,)


def test_a_script_that_lowers_its_lr_by_a_factor_is_not_scaled_twice() -> None:
    optimizer = sgd()
    script = Script(optimizer)
    expected = []
    lr = 0.1
    for step in range(6):
        if step == 2:
            script.send("lr*0.5")
        optimizer.step()
        expected.append(lr * 0.5 if step >= 2 else lr)
        optimizer.param_groups[0]["lr"] *= 0.9
        lr *= 0.9
    assert script.used == expected


def test_after_a_switch_the_lr_that_a_script_sets_is_not_used() -> None:
    optimizer = sgd()
    script = Script(optimizer, epochs=2, batches_per_epoch=5)
    for step in range(10):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        if step == 4:
            script.send("LambdaLR('0.5 ** epoch', per='batch') from base")
        optimizer.step()
    assert script.used[:4] == [0.1 / (1 + step) for step in range(4)]
    # the lr that the script has set when it attached is gone; what it has set at the switch is not the configured one
    assert script.used[4:] == [0.1 * 0.5**calls for calls in range(6)]


def test_a_schedule_per_epoch_follows_the_epochs_of_a_script_that_steps_per_batch() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    script = Script(optimizer, scheduler, epochs=4, batches_per_epoch=3)
    for step in range(12):
        if step == 4:
            script.send("StepLR(1, gamma=0.1) from base")
        optimizer.step()
        scheduler.step()
        script.run.log(loss=1.0)
    own = [0.1]
    while len(own) < 4:
        own.append(own[-1] * 0.9)
    assert script.used[:4] == own
    # the epoch of the switch ends after two more steps
    assert script.used[4:] == pytest.approx([0.1] * 2 + [0.01] * 3 + [0.001] * 3, rel=1e-12)
    assert scheduler.last_epoch == 12
    assert scheduler.get_last_lr() == [optimizer.param_groups[0]["lr"]]


def test_a_schedule_per_batch_is_stepped_in_a_script_that_steps_per_epoch() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    script = Script(optimizer, scheduler, epochs=3, batches_per_epoch=4)
    for epoch in range(3):
        for batch in range(4):
            if (epoch, batch) == (1, 1):
                script.send("ExponentialLR(0.5, per='batch') from current")
            optimizer.step()
        scheduler.step()
    now = 0.1 * 0.1
    assert script.used == [0.1] * 4 + [now] + [now * 0.5**calls for calls in range(7)]


def test_without_lengths_a_schedule_needs_its_own_and_the_tests_end_the_epochs() -> None:
    optimizer = sgd()
    script = Script(optimizer)
    for epoch in range(3):
        for batch in range(4):
            if (epoch, batch) == (1, 0):
                script.send("CosineAnnealingLR()")
                script.send("StepLR(1) from start")
                script.send("StepLR(1)")
            optimizer.step()
        script.run.log_eval(loss=1.0)
    assert script.used == pytest.approx([0.1] * 8 + [0.01] * 4, rel=1e-12)
    refused = script.of(CommandRefused)
    assert [event.command for event in refused] == ["CosineAnnealingLR() from base", "StepLR(1) from start"]
    assert "pass epochs= and batches_per_epoch=" in refused[0].reason
    assert [(event.epoch, event.batch) for event in script.of(StepDone)][3:6] == [(1, 3), (2, 0), (2, 1)]


@pytest.mark.parametrize("tests_first", [True, False])
def test_a_plateau_follows_the_tests_of_the_script(tests_first: bool) -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)
    script = Script(optimizer, scheduler, epochs=6, batches_per_epoch=2)
    for epoch in range(6):
        for batch in range(2):
            if (epoch, batch) == (1, 0):
                script.send("ReduceLROnPlateau(patience=0, factor=0.5)")
            optimizer.step()
        if tests_first:
            script.run.log_eval(loss=1.0)
        scheduler.step()
        if not tests_first:
            script.run.log_eval(loss=1.0)
    # the first test after the switch sets the best loss
    assert script.used == [0.1] * 6 + [0.05] * 2 + [0.025] * 2 + [0.0125] * 2


def test_optimizers_with_names_are_scaled_and_switched_together() -> None:
    generator, discriminator = sgd(0.1), sgd(0.2, groups=2)
    schedulers = [lr_scheduler.ExponentialLR(each, 0.5) for each in (generator, discriminator)]
    script = Script(
        {"generator": generator, "discriminator": discriminator},
        {"generator": schedulers[0], "discriminator": schedulers[1]},
        epochs=3,
        batches_per_epoch=2,
    )
    for epoch in range(3):
        for batch in range(2):
            if (epoch, batch) == (1, 0):
                script.send("lr*0.1")
            if (epoch, batch) == (2, 0):
                script.send("generator=StepLR(1)")
                script.send("PerOptimizer(generator=ConstantLR(0.5, 9), discriminator=ConstantLR(0.25, 9))")
            # the discriminator steps first, and twice as often
            discriminator.step()
            discriminator.step()
            generator.step()
            script.run.log(loss=1.0)
        for scheduler in schedulers:
            scheduler.step()
    script.run.finish()
    lrs = [event.lrs for event in script.of(StepDone)]
    assert len(lrs) == 12, "the optimizer that steps first counts the steps"
    assert lrs[:4] == [(0.1, 0.2, 0.2)] * 4
    assert lrs[4:8] == [(0.1 * 0.5 * 0.1, 0.2 * 0.5 * 0.1, 0.2 * 0.5 * 0.1)] * 4
    assert lrs[8:] == [(0.05, 0.05, 0.05)] * 4
    assert "every optimizer" in script.of(CommandRefused)[0].reason


@pytest.mark.parametrize("switch", [False, True])
def test_a_parameter_group_can_be_added_in_the_middle(switch: bool) -> None:
    optimizer = sgd()
    script = Script(optimizer, epochs=1, batches_per_epoch=6)
    for step in range(6):
        if step == 2:
            script.send("LambdaLR('0.5') from base" if switch else "lr*0.5")
        if step == 4:
            optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.3})
        optimizer.step()
    script.run.finish()
    assert [event.lrs for event in script.of(StepDone)] == [(0.1,)] * 2 + [(0.05,)] * 2 + [(0.05, 0.3)] * 2


def test_a_group_added_to_a_script_without_a_scheduler_is_scaled_from_the_next_command_on() -> None:
    optimizer = sgd()
    script = Script(optimizer)
    script.used.clear()
    used = []
    optimizer.register_step_pre_hook(lambda each, *_: used.append([group["lr"] for group in each.param_groups]))
    for step in range(6):
        if step == 2:
            script.send("lr*0.5")
        if step == 3:
            optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.3})
        if step == 5:
            script.send("lr*0.5")
        optimizer.step()
    script.run.finish()
    assert used == [[0.1]] * 2 + [[0.05]] + [[0.05, 0.3]] * 2 + [[0.025, 0.15]]
    assert [list(event.lrs) for event in script.of(StepDone)] == used


def test_the_lr_of_a_step_that_raised_an_error_is_not_scaled_twice() -> None:
    def fail() -> float:
        raise RuntimeError("out of memory")

    optimizer = sgd()
    script = Script(optimizer)
    for step in range(7):
        if step == 2:
            script.send("lr*0.5")
        if step == 4:
            with pytest.raises(RuntimeError, match="out of memory"):
                optimizer.step(fail)
        else:
            optimizer.step()
    assert script.used == [0.1, 0.1] + [0.05] * 5
    assert optimizer.param_groups[0]["lr"] == 0.1


class Subclass(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def test_a_step_that_calls_the_step_of_its_base_class_is_one_step() -> None:
    # the hooks are called for both
    sgd().step()
    optimizer = Subclass([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    script = Script(optimizer)
    for step in range(5):
        if step == 2:
            script.send("lr*0.5")
        optimizer.step()
    script.run.finish()
    assert [event.step for event in script.of(StepDone)] == [0, 1, 2, 3, 4]
    assert [event.lrs[0] for event in script.of(StepDone)] == [0.1, 0.1, 0.05, 0.05, 0.05]
    assert script.used[::2] == script.used[1::2] == [0.1, 0.1, 0.05, 0.05, 0.05]


def test_a_schedule_without_a_next_lr_leaves_the_lr_and_says_so() -> None:
    optimizer = sgd()
    script = Script(optimizer, epochs=1, batches_per_epoch=8)
    for step in range(8):
        if step == 1:
            script.send("LambdaLR('1 / (2 - epoch)', per='batch')")
        if step == 6:
            script.send("LambdaLR('0.5', per='batch')")
        optimizer.step()
    assert script.used == [0.1, 0.05, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]
    assert ["switch to another schedule" in event.text for event in script.of(Notice)] == [True]


def test_lrs_that_are_tensors_are_written_in_place_and_recorded_as_numbers() -> None:
    lr = torch.tensor(0.5)
    optimizer = sgd(lr)
    scheduler = lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    script = Script(optimizer, scheduler, epochs=1, batches_per_epoch=8)
    for step in range(8):
        if step == 3:
            script.send("lr*0.5")
        if step == 5:
            script.send("LinearLR(0.5, total_iters=2, per='batch') from base")
        optimizer.step()
        scheduler.step()
    script.run.finish()
    assert optimizer.param_groups[0]["lr"] is lr
    assert [event.lrs[0] for event in script.of(StepDone)] == [0.5, 0.5, 0.25, 0.125, 0.0625, 0.25, 0.375, 0.5]
    assert len(script.of(ScheduleSwitched)) == 1


def test_a_longer_script_than_it_said_lengthens_the_run() -> None:
    optimizer = sgd()
    script = Script(optimizer, epochs=2, batches_per_epoch=2)
    for _ in range(7):
        optimizer.step()
    script.run.finish()
    lengths = [(event.epochs, event.total_steps) for event in script.of(lrtui.Extended)]
    assert lengths == [(3, 6), (4, 8)]


def test_a_nudge_reaches_every_scheduler_of_a_list() -> None:
    optimizer = sgd()
    warmup = lr_scheduler.LinearLR(optimizer, 0.5, total_iters=2)
    main = lr_scheduler.ExponentialLR(optimizer, 0.5)
    script = Script(optimizer, [warmup, main], epochs=1, batches_per_epoch=4)
    plain = sgd()
    plain_schedulers = [lr_scheduler.LinearLR(plain, 0.5, total_iters=2), lr_scheduler.ExponentialLR(plain, 0.5)]
    expected = []
    for step in range(4):
        if step == 1:
            script.send("lr*0.5")
        optimizer.step()
        plain.step()
        expected.append(plain.param_groups[0]["lr"] * (0.5 if step >= 1 else 1))
        warmup.step()
        main.step()
        for each in plain_schedulers:
            each.step()
    assert script.used == expected


@pytest.mark.parametrize(("length", "scheduled"), [(4, False), (None, False), (None, True)])
def test_each_epoch_has_its_end_after_its_test(length: int | None, scheduled: bool) -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5) if scheduled else None
    script = Script(optimizer, scheduler, batches_per_epoch=length)
    for epoch in range(3):
        for _ in range(4):
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
        script.run.log_eval(loss=1.0 / (1 + epoch))
    script.run.finish()
    ends = script.of(EpochDone)
    assert [(end.epoch, end.step) for end in ends] == [(1, 4), (2, 8), (3, 12)]
    assert [end.lrs for end in ends] == ([(0.1,), (0.05,), (0.025,)] if scheduled else [(0.1,)] * 3)
    state = RunState()
    state.fold(script.events)
    assert {epoch: result.loss for epoch, result in epoch_results(state).items()} == {1: 1.0, 2: 0.5, 3: 1 / 3}


def test_a_script_that_warms_up_by_hand_steps_its_scheduler_per_batch_all_the_same() -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.9)
    script = Script(optimizer, scheduler, epochs=5, batches_per_epoch=4)
    for step in range(20):
        if step < 3:
            optimizer.param_groups[0]["lr"] = 0.1 * (step + 1) / 3
        if step == 8:
            script.send("StepLR(1, gamma=0.1) from base")
        optimizer.step()
        if step >= 2:
            scheduler.step()
    assert script.used[8:] == pytest.approx([0.1] * 4 + [0.01] * 4 + [0.001] * 4, rel=1e-12)


@pytest.mark.parametrize("made", [[8, 10, 9], [12, 12, 12]])
def test_epochs_of_other_lengths_than_said_are_those_of_the_script(made: list[int]) -> None:
    optimizer = sgd()
    scheduler = lr_scheduler.ExponentialLR(optimizer, 0.5)
    script = Script(optimizer, scheduler, epochs=3, batches_per_epoch=10)
    for epoch, steps in enumerate(made):
        for _ in range(steps):
            optimizer.step()
        script.run.log_eval(loss=float(epoch))
        scheduler.step()
    script.run.finish()
    ends = script.of(EpochDone)
    # the first epoch was over when it was known that it is longer
    assert [end.step for end in ends][1:] == [sum(made[:2]), sum(made)]
    assert [end.lrs for end in ends] == [(0.1,), (0.05,), (0.025,)]
    assert script.of(RunFinished)[0].outcome == "done"
    lengths = [(event.epochs, event.total_steps) for event in script.of(lrtui.Extended)]
    assert lengths == ([] if sum(made) < 30 else [(3, 36)])
