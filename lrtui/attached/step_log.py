"""The steps of an attached run, with the values that its script logs for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from lrtui.attached.device_reader import DeviceReader

SILENT_SECONDS = 0.3
"""Seconds after the last logged value after which a step is published, although the next one has not begun."""

Value = float | torch.Tensor


def _operations() -> int:
    """Return how many operations that autograd differentiates this thread has made."""
    return int(getattr(torch.autograd, "_get_sequence_nr", int)())


@dataclass(slots=True)
class StepRecord:
    """A step that was made.

    Args:
        step: optimizer steps done before it.
        at: when it ended, by `time.perf_counter`.
        lrs: the lr of each parameter group in this step; tensors are copies.
        values: what the script logged, by name; a list has a value for each of several batches.
    """

    step: int
    at: float
    lrs: list[Any]
    values: dict[str, Any]

    def device_tensors(self) -> list[torch.Tensor]:
        """Return the values that are on an accelerator, in the order of `numbers`."""
        return [each for each in self._flat() if isinstance(each, torch.Tensor) and each.device.type != "cpu"]

    def replace_device_tensors(self, numbers: list[float]) -> None:
        """Put the numbers in place of the tensors that `device_tensors` returned."""
        left = iter(numbers)

        def number(value: Any) -> Any:
            if isinstance(value, list):
                return [number(each) for each in value]
            return next(left) if isinstance(value, torch.Tensor) and value.device.type != "cpu" else value

        self.lrs = [number(lr) for lr in self.lrs]
        self.values = {name: number(value) for name, value in self.values.items()}

    def _flat(self) -> list[Any]:
        return [
            *self.lrs,
            *(each for value in self.values.values() for each in (value if isinstance(value, list) else (value,))),
        ]


class StepLog:
    """Collects the steps of a run in the script's threads, and hands them over in order to another one.

    A script logs its values before or after `optimizer.step()`: what was logged before the first step shows which,
    unless that was for batches whose steps GradScaler skipped. With several batches per step it may log every batch; a
    step then has the mean.

    The script's threads take no lock: what they share with the other thread is in deques, whose operations are atomic.

    Args:
        batches_per_step: batches per optimizer step.
        is_kept: whether there is somebody to hand them to; otherwise they are dropped.
    """

    def __init__(self, batches_per_step: int, *, is_kept: bool = True) -> None:
        self.is_kept = is_kept
        self._batches_per_step = batches_per_step
        self._open: deque[StepRecord] = deque()
        """The step that was made last, as long as values can be logged for it."""
        self._closed: deque[StepRecord] = deque()
        self._waiting: list[StepRecord] = []
        """Closed steps in the order of their numbers, to be handed over."""
        self.next_step = 0
        """The step that is handed over next."""
        self._next: dict[str, Any] = {}
        """Values of the step to come."""
        self._calls = 0
        """Calls of `add` since the last step."""
        self._is_after = False
        """Whether each step has the values that were logged once after it; False until the first step."""
        self._is_before: bool | None = None
        """Whether values are logged before their step; None until the first step."""
        self._may_be_after = False
        """Whether the calls before the first step may have been for steps that were skipped."""
        self._operations = _operations()
        """Differentiated operations at the last step, until the first call after a step."""
        self._has_late_values = False
        """Whether the last step was given values that came too late for the step before it."""
        self._each_batch = False
        """Whether a step has the values of several batches."""
        self._logged_at = 0.0
        self.has_device_values = False
        """Whether there are values on an accelerator."""
        self._reader = DeviceReader()

    def add(self, values: Mapping[str, Value]) -> None:
        """Add values to the step that they belong to."""
        self._logged_at = perf_counter()
        if self._is_after and self._open:
            try:
                found = self._open[-1].values
            except IndexError:  # handed over in this moment
                found = self._next
            if found and not self._has_late_values:
                # what was logged twice is of a batch whose step was skipped
                values = {**values, **found}
            self._has_late_values = False
            found.update(values)
        elif self.is_kept:
            self._add(values)

    def _add(self, values: Mapping[str, Value]) -> None:
        self._calls += 1
        if self._may_be_after:
            self._find_order_again(values)
        target = self._next
        if self._is_before is False and self._open and not (self._each_batch and self._calls > 1):
            target = self._open[-1].values
        if self._is_before is None or self._each_batch:
            for name, value in values.items():
                target.setdefault(name, []).append(value)
        else:
            target.update(values)

    def step_done(self, step: int, lrs: list[Any]) -> None:
        """Add a step that was just made; the one before it has all its values."""
        if self._is_after and not self._next:
            # nearly all steps of nearly all scripts
            self.close_step()
            self._open.append(StepRecord(step, perf_counter(), lrs, {}))
            return
        if not self.is_kept:
            return
        record = StepRecord(step, perf_counter(), lrs, {})
        if self._is_before is None:
            self._find_order()
        self.close_step()
        if self._next:
            record.values, self._next = self._next, {}
            self._has_late_values = self._is_after
        self._calls = 0
        if self._may_be_after:
            self._operations = _operations()
        (self._closed if self._is_before else self._open).append(record)

    def _find_order(self) -> None:
        """Find out from the calls before the first step how the script logs."""
        self._each_batch = self._batches_per_step > 1 and self._calls >= self._batches_per_step - 1
        if self._each_batch:
            self._is_before = self._calls >= self._batches_per_step
        else:
            self._is_before = self._calls > 0
            self._next = {name: values[-1] for name, values in self._next.items()}
        self._is_after = not (self._is_before or self._each_batch)
        self._may_be_after = self._is_before and _operations() > self._operations

    def _find_order_again(self, values: Mapping[str, Value]) -> None:
        """Find out whether the first call after a step belongs to it: the model was not called between them."""
        self._may_be_after = False
        if self._closed and _operations() == self._operations and not self._closed[-1].values.keys().isdisjoint(values):
            self._is_before, self._is_after = False, not self._each_batch
            record = self._closed.pop()
            kept = self._batches_per_step - 1 if self._each_batch else 0
            record.values = {name: found[-kept:] for name, found in record.values.items()} if kept else {}
            self._open.append(record)

    def close_step(self) -> None:
        """Hand over the step that was made last: the next one begins."""
        try:
            self._closed.append(self._open.pop())
        except IndexError:
            return

    def close_silent_step(self) -> None:
        """Hand over the last step if the script has logged its values some time ago; for another thread."""
        if perf_counter() - self._logged_at < SILENT_SECONDS or not (self._calls or not self._each_batch):
            return
        if any(record.values for record in list(self._open)):
            self.close_step()

    def read_device(self, *, wait: bool = False) -> None:
        """Read values that are on an accelerator, in batches; called by the script's thread.

        Args:
            wait: whether to wait for the device; otherwise values are read when they are there.
        """
        if self.has_device_values:
            self._reader.read([*self._waiting, *self._closed], wait=wait)

    def take(self) -> list[StepRecord]:
        """Return the complete steps, oldest first; one thread at a time."""
        while self._closed:
            self._waiting.append(self._closed.popleft())
        # two threads may have closed two steps in the same moment
        self._waiting.sort(key=lambda record: record.step)
        ready = 0
        for record in self._waiting:
            if record.step != self.next_step or self._reader.waits_for(record):
                break
            ready, self.next_step = ready + 1, self.next_step + 1
        found, self._waiting = self._waiting[:ready], self._waiting[ready:]
        return found


def mean(value: Any) -> float:
    """Return a logged value as a number, the mean of the values of several batches."""
    if isinstance(value, list):
        numbers = [float(each) for each in value]
        return numbers[0] if len(numbers) == 1 else sum(numbers) / len(numbers)
    return float(value)


def as_number(value: Any) -> float:
    """Return a number, or a tensor with one element, as a float."""
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def is_number(value: Any) -> bool:
    """Return whether a value can be logged."""
    try:
        as_number(value)
    except Exception:
        return False
    return True
