"""The events of a run whose values are recognised in its output."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lrtui.run.events import EvalDone, Event, StepDone
from lrtui.supervisor.line_values import LineValues, read_line
from lrtui.supervisor.terminal_lines import Line

MAX_GAP = 10_000
"""Steps without a value that are filled in, to the number that a line gives; after a larger gap the count goes on."""


class OutputEvents:
    """Turns lines of output into steps and tests; numbers its events.

    A line with a loss is a step. Where lines number their steps, the steps between them have no loss (NaN).

    Args:
        seconds: returns the training time, in seconds.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self.seq = 0
        """`seq` of the next event."""
        self.step = 0
        """Steps so far."""
        self._lr = math.nan
        self._epoch = 1
        self._first_epoch: int | None = None
        self._epoch_start = 0
        self._position = 0
        self._offset: int | None = None
        self._last_values: tuple[object, ...] = ()
        self._last_test: tuple[object, ...] = ()

    def number(self) -> dict[str, Any]:
        """Return the fields that every event has, for the next one."""
        fields = {"seq": self.seq, "step": self.step, "seconds": self._seconds()}
        self.seq += 1
        return fields

    def read(self, lines: Iterable[Line]) -> Iterator[Event]:
        """Yield the events that the lines describe."""
        for line in lines:
            if not line.is_repeated and (values := read_line(line.text)) is not None:
                yield from self._events(values)

    def _events(self, values: LineValues) -> Iterator[Event]:
        if values.lr is not None:
            self._lr = values.lr
        if values.epoch is not None:
            self._set_epoch(values.epoch)
        if values.has_step:
            yield from self._steps(values)
        test = (values.test_loss, values.accuracy, tuple(values.test_metrics.items()))
        # a progress bar repeats the last test's result with every step
        is_repeated = test == self._last_test and (values.has_step or values.position is not None)
        if values.has_test and not is_repeated:
            self._last_test = test
            yield EvalDone(
                **self.number(),
                epoch=self._epoch,
                loss=values.test_loss,
                accuracy=values.accuracy,
                metrics=dict(values.test_metrics),
                seconds_taken=0.0,
            )

    def _set_epoch(self, logged: float) -> None:
        whole = math.ceil(logged) if logged != int(logged) else int(logged)
        if self._first_epoch is None:
            # scripts count from 0 or from 1
            self._first_epoch = 0 if whole == 0 else 1
        epoch = max(1, whole + 1 - self._first_epoch)
        if epoch != self._epoch:
            self._epoch, self._epoch_start, self._position = epoch, self.step, 0

    def _steps(self, values: LineValues) -> Iterator[StepDone]:
        key = (values.position, values.step, values.epoch, values.loss, tuple(values.metrics.items()))
        # a bar is drawn again, and ends with the line that was its last state
        if key == self._last_values and (values.position is not None or values.step is not None):
            return
        self._last_values = key
        target = self._target(values)
        while self.step < target:
            yield self._step(math.nan, {})
        metrics = {name: value for name, value in values.metrics.items() if not math.isnan(value)}
        yield self._step(math.nan if values.loss is None else values.loss, metrics)

    def _target(self, values: LineValues) -> int:
        """Return the number of the step that the values belong to, from 0."""
        target = self.step
        if values.position is not None and values.step is None:
            if values.position < self._position:
                # the next epoch of a script that does not name it
                self._epoch, self._epoch_start = self._epoch + 1, self.step
            self._position = values.position
            target = self._epoch_start + max(0, values.position - 1)
        elif values.step is not None:
            if self._offset is None:
                self._offset = 0 if values.step == 0 else 1
            target = values.step - self._offset
            if not 0 <= target - self.step <= MAX_GAP:
                # a script that was resumed, or starts to count again
                self._offset, target = values.step - self.step, self.step
        return target if 0 <= target - self.step <= MAX_GAP else self.step

    def _step(self, loss: float, metrics: Mapping[str, float]) -> StepDone:
        event = StepDone(
            **self.number(),
            epoch=self._epoch,
            batch=self.step - self._epoch_start,
            loss=loss,
            lrs=(self._lr,),
            metrics=metrics,
        )
        self.step += 1
        return event
