"""Which step a logged value belongs to, and in which order steps are handed over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from lrtui.attached import device_reader, step_log
from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.schedule_in_force import ScheduleInForce
from lrtui.attached.step_log import StepLog, StepRecord, mean
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.training.lr_control import LrControl


def handed_over(log: StepLog) -> list[tuple[int, dict[str, float]]]:
    """Return the steps that are complete, with their values as numbers."""
    return [(record.step, {name: mean(value) for name, value in record.values.items()}) for record in log.take()]


def test_values_logged_after_a_step_are_those_of_the_step() -> None:
    log = StepLog(1)
    for step in range(3):
        log.step_done(step, [0.1])
        log.add({"loss": float(step)})
        log.add({"norm": 10.0 + step})
    log.close_step()
    assert handed_over(log) == [(step, {"loss": float(step), "norm": 10.0 + step}) for step in range(3)]


def test_values_logged_before_a_step_are_those_of_the_step() -> None:
    log = StepLog(1)
    for step in range(3):
        log.add({"loss": float(step)})
        log.step_done(step, [0.1])
    assert handed_over(log) == [(step, {"loss": float(step)}) for step in range(3)]


@pytest.mark.parametrize("before", [True, False])
def test_a_step_of_several_batches_has_the_mean_of_their_values(before: bool) -> None:
    log = StepLog(4)
    for step in range(3):
        for batch in range(4):
            if batch == 3 and not before:
                log.step_done(step, [0.1])
            log.add({"loss": float(4 * step + batch)})
        if before:
            log.step_done(step, [0.1])
    log.close_step()
    assert handed_over(log) == [(step, {"loss": 4 * step + 1.5}) for step in range(3)]


def test_one_value_for_a_step_of_several_batches_is_kept_as_it_is() -> None:
    log = StepLog(4)
    for step in range(3):
        log.step_done(step, [0.1])
        log.add({"loss": float(step)})
    log.close_step()
    assert handed_over(log) == [(step, {"loss": float(step)}) for step in range(3)]


def test_steps_without_values_are_handed_over_as_well() -> None:
    log = StepLog(1)
    for step in range(20):
        log.step_done(step, [0.1])
        if step % 10 == 0:
            log.add({"loss": float(step)})
    log.close_step()
    assert [values for _, values in handed_over(log) if values] == [{"loss": 0.0}, {"loss": 10.0}]


def test_the_last_step_is_handed_over_when_the_script_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    log = StepLog(1)
    log.step_done(0, [0.1])
    log.close_silent_step()
    assert handed_over(log) == [], "its values may still come"
    log.add({"loss": 1.0})
    log.close_silent_step()
    assert handed_over(log) == [], "more values may follow"
    monkeypatch.setattr(step_log, "SILENT_SECONDS", 0.0)
    log.close_silent_step()
    assert handed_over(log) == [(0, {"loss": 1.0})]
    log.add({"late": 2.0})
    log.step_done(1, [0.1])
    log.close_step()
    assert handed_over(log) == [(1, {"late": 2.0})], "no value is lost"


def test_steps_closed_by_two_threads_are_handed_over_in_order() -> None:
    log = StepLog(1)
    records = [StepRecord(step, 0.0, [0.1], {}) for step in (0, 2, 1, 3)]
    log._closed.extend(records[:2])
    assert [record.step for record in log.take()] == [0], "step 1 is still missing"
    log._closed.extend(records[2:])
    assert [record.step for record in log.take()] == [1, 2, 3]


class OnDevice:
    """A record with tensors that count as being on an accelerator until they are read."""

    def __init__(self, *numbers: float) -> None:
        self.tensors = [torch.tensor(number) for number in numbers]
        self.numbers: list[float] = []

    def device_tensors(self) -> list[torch.Tensor]:
        return self.tensors

    def replace_device_tensors(self, numbers: Sequence[float]) -> None:
        self.tensors, self.numbers = [], list(numbers)


def test_the_tensors_of_many_records_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    stacked: list[int] = []
    stack: Any = torch.stack

    def counted(tensors: list[torch.Tensor]) -> torch.Tensor:
        stacked.append(len(tensors))
        found: torch.Tensor = stack(tensors)
        return found

    monkeypatch.setattr(torch, "stack", counted)
    reader = device_reader.DeviceReader()
    records = [OnDevice(float(index), index + 0.5) for index in range(10)]
    reader.read(records)
    assert stacked == [20]
    assert [record.numbers for record in records] == [[float(index), index + 0.5] for index in range(10)]
    late = [OnDevice(7.0)]
    reader.read(late)
    assert late[0].numbers == [], "the device is not asked for every step"
    reader.read(late, wait=True)
    assert late[0].numbers == [7.0]


def test_a_step_waits_for_its_numbers_and_those_after_it_wait_too(monkeypatch: pytest.MonkeyPatch) -> None:
    log = StepLog(1)
    monkeypatch.setattr(
        StepRecord, "device_tensors", lambda record: [1] if record.values.get("loss") == "there" else []
    )
    for step, loss in enumerate(["there", 2.0]):
        log._closed.append(StepRecord(step, 0.0, [0.1], {"loss": loss}))
    assert log.take() == []
    log._waiting[0].values["loss"] = 1.0
    assert [record.values["loss"] for record in log.take()] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("f s l  f s l  f s l", [1, 2, 3]),
        ("f l s  f l s  f l s", [1, 2, 3]),
        # GradScaler skips steps: the first ones, or later ones
        ("f l  f l  f s l  f s l  f l  f s l", [3, 4, 6]),
        ("f l  f l s  f l  f l s  f l s", [2, 4, 5]),
        # no model that autograd knows
        ("l s  l s  l s", [0, 0, 0]),
    ],
)
def test_values_of_skipped_steps_belong_to_no_step(script: str, expected: list[float]) -> None:
    """A letter is a forward pass, a log call, or an optimizer step that was not skipped."""
    weight, log, batch, step = torch.ones(1, requires_grad=True), StepLog(1), 0.0, 0
    for letter in script.replace(" ", ""):
        if letter == "f":
            batch += (weight * 1.0).item()
        elif letter == "l":
            log.add({"loss": batch})
        else:
            log.step_done(step, [0.1])
            step += 1
    log.close_step()
    assert [values["loss"] for _, values in handed_over(log)] == expected


def test_the_values_of_a_skipped_step_are_replaced_also_if_the_step_before_was_handed_over() -> None:
    log = StepLog(1)
    log.step_done(0, [0.1])
    log.add({"loss": 1.0})
    log.close_step()
    log.add({"loss": 2.0})
    log.step_done(1, [0.1])
    log.add({"loss": 3.0})
    log.close_step()
    assert handed_over(log) == [(0, {"loss": 1.0}), (1, {"loss": 3.0})]


@pytest.mark.parametrize(("calls", "factor"), [((2, 1, 2, 1, 2, 1, 2), 1), ((9, 1, 1), 1), ((2, 2, 2, 2, 2), 2)])
def test_scheduler_calls_are_counted_per_step_unless_gradscaler_skipped_some(
    calls: tuple[int, ...], factor: int
) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
    control = LrControl(optimizer, parse_schedule("script:StepLR()"), Horizon(1, 100), scheduler=[scheduler])
    schedule = ScheduleInForce(control, [scheduler], RunEpochs(100), str)
    for count in calls:
        schedule.settle()
        optimizer.step()
        schedule.steps += 1
        for _ in range(count):
            schedule.scheduler_stepped(scheduler, type(scheduler).step, (), {})
    schedule.settle()
    assert schedule.calls_per_step == factor
