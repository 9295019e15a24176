"""What a trap examines: a schedule, its optimizer, the length of the run, and the lr of every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrtui.analysis.checks.lr_context import Floats as Floats
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.run.errors import LrtuiError, NotationError
from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.simulate import simulate
from lrtui.text.format import counted

if TYPE_CHECKING:
    from lrtui.schedules.optimizer import OptimizerSpec

UNKNOWN = SchedulerEntry(name="", summary="", family="function", unit="epoch", parameters=(), example="")
"""Stands for the missing entry of a user's class."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of the schedulers that a schedule consists of.

    Args:
        schedule: the scheduler with its lengths filled in.
        path: indices of the children that lead to it; empty for the outermost scheduler.
        start: the run's `step()` call at which it takes over.
        calls: number of its `step()` calls; 0 or less if it is never active.
        is_last: whether it is active at the end of the run.
    """

    schedule: Schedule
    path: tuple[int, ...]
    start: int
    calls: int
    is_last: bool

    @property
    def entry(self) -> SchedulerEntry:
        """The catalogue's entry of its class."""
        return self.schedule.entry or UNKNOWN

    @property
    def name(self) -> str:
        """Class name of a scheduler in the catalogue; empty for a user's class, whatever it is called."""
        return self.entry.name

    @property
    def warm_up(self) -> str | None:
        """The argument that says over how many `step()` calls it raises the lr; None if it does not warm up."""
        return self.entry.warm_up_argument if self.entry.warms_up(self.values) else None

    @property
    def values(self) -> dict[str, Any]:
        """Its arguments, with the defaults of those not given."""
        return self.entry.values(self.schedule.arguments)

    def get(self, argument: str) -> Any:
        """Return the value of an argument or its default; None if it has neither."""
        return self.schedule.get(argument)

    @property
    def lowers(self) -> bool:
        """Whether it lowers the lr over the steps that its arguments count."""
        return self.entry.lowers(self.values)

    @property
    def factor(self) -> str | None:
        """The factor that it multiplies the optimizer's lr by, as an expression; None without a closed form."""
        return self.entry.factor(self.values, self.calls) if self.entry.factor else None

    @property
    def fitted(self) -> Schedule | None:
        """The scheduler with arguments that fit its number of calls; None if they fit already or are unknown."""
        if self.entry.fit is None or self.calls < 2:
            return None
        changes = self.entry.fit(self.values, self.calls)
        found = None if changes is None else self.schedule.with_arguments(**changes)
        return None if found == self.schedule else found

    def walk(self) -> Iterator[Part]:
        """Yield this part and all parts inside it."""
        yield self
        children, spans = self.schedule.children, self.schedule.child_spans(self.calls)
        for index, (child, (start, end)) in enumerate(zip(children, spans, strict=True)):
            calls = min(end, self.calls) - start
            is_last = self.is_last and calls > 0 and start + calls == self.calls
            yield from Part(child, (*self.path, index), self.start + start, calls, is_last).walk()


class ScheduleContext(LrContext):
    """A schedule in a run, with the lr of every step.

    Args:
        schedule: the schedule as the user wrote it; lengths that were left out are not filled in.
        optimizer: the optimizer that it drives.
        horizon: the part of the run that it covers.
        accumulate: batches whose gradients make one optimizer step.
        base_lrs: the initial lrs, one per parameter group; None for the optimizer's.
        lrs: lr of each step from the horizon's start, if it has been simulated already.
    """

    def __init__(
        self,
        schedule: Schedule,
        optimizer: OptimizerSpec,
        horizon: Horizon,
        *,
        accumulate: int = 1,
        base_lrs: Sequence[float] | None = None,
        lrs: Floats | None = None,
    ) -> None:
        # no steps if it can't be stepped
        super().__init__(lrs if lrs is not None else np.empty((0, len(base_lrs or optimizer.lrs))), horizon)
        self.schedule, self.optimizer, self.accumulate = schedule, optimizer, accumulate
        self.base_lrs = tuple(base_lrs) if base_lrs is not None else optimizer.lrs
        self.calls = horizon.calls(schedule.per)
        """`step()` calls of the run."""
        self.parts = list(Part(fill_in(schedule, horizon)[0], (), 0, self.calls, True).walk())
        """The schedule and all schedulers inside it, with lengths filled in; the outermost is the first."""
        self.error: LrtuiError | None = None
        """Why the schedule can't be stepped to the end of the run; None if it can."""
        self._tried: dict[str, ScheduleContext | None] = {}
        if lrs is not None:
            return
        try:
            with np.errstate(all="ignore"):
                self.lrs = simulate(schedule, optimizer, horizon, base_lrs=self.base_lrs)
        except LrtuiError as error:
            self.error = error

    def with_schedule(self, schedule: Schedule) -> ScheduleContext | None:
        """Return the context of another schedule, parsed from its notation; None if it can't be parsed."""
        text = str(schedule)
        if text not in self._tried:
            try:
                context = ScheduleContext(
                    parse_schedule(text),
                    self.optimizer,
                    self.horizon,
                    accumulate=self.accumulate,
                    base_lrs=self.base_lrs,
                )
            except NotationError:
                self._tried[text] = None
            else:
                context._tried = self._tried
                self._tried[text] = context
        return self._tried[text]

    def parts_with(self, *arguments: str) -> list[Part]:
        """Return the parts whose class has all of these arguments, given or not."""
        return [part for part in self.parts if all(part.entry.parameter(name) for name in arguments)]

    @property
    def follows_metric(self) -> bool:
        """Whether the lr depends on test results."""
        return any(part.entry.follows_metric for part in self.parts)

    @property
    def repeats_cycles(self) -> bool:
        """Whether one of its schedulers repeats cycles between two lrs of its own."""
        return any(part.entry.absolute and not part.entry.length_argument for part in self.parts)

    @property
    def restarts(self) -> bool:
        """Whether one of its schedulers begins again at its highest lr."""
        return any(part.entry.restarts for part in self.parts)

    @property
    def averages_at_end(self) -> bool:
        """Whether the scheduler at the end of the run is for averaged weights."""
        return any(part.entry.averages_weights and part.is_last and part.calls > 0 for part in self.parts)

    # --- lrs ---------------------------------------------------------------------------------------------------------

    @property
    def can_train(self) -> bool:
        """Whether the schedule runs to the end with lrs that an optimizer accepts."""
        return self.error is None and self.is_finite and not (self.lrs < 0).any()

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The first step that uses the lr of each `step()` call, starting with the initial lr; shape (calls,)."""
        if self.schedule.per == "batch":
            return np.arange(self.calls)
        length, start = self.horizon.batches_per_epoch, self.horizon.start_step
        starts = np.arange(start // length, start // length + self.calls) * length - start
        return np.maximum(starts, 0)

    def share_at(self, call: int) -> float:
        """Return the share of the peak after this many `step()` calls."""
        return float(self.share[self.starts[call]])

    def lr_at(self, call: int) -> float:
        """Return the highest lr of all parameter groups after this many `step()` calls."""
        return float(self.lrs[self.starts[call]].max())

    # --- text for messages -------------------------------------------------------------------------------------------

    @property
    def unit(self) -> str:
        """The unit after which `step()` is called, `epoch` or `step`."""
        # with accumulated gradients a step takes several batches
        return "epoch" if self.schedule.per == "epoch" else "step"

    def calls_text(self, calls: int) -> str:
        """Return a number of `step()` calls with its unit: `1 epoch`, `938 steps`."""
        return counted(calls, self.unit)

    def group_text(self, index: int) -> str:
        """Return a parameter group and its lr: `parameter group "fc*", 0.001`."""
        return f'parameter group "{self.optimizer.group_names[index]}", {self.base_lrs[index]:g}'

    def call_text(self, call: int) -> str:
        """Return the place in the run of the first step after this many `step()` calls."""
        return self.step_text(int(self.starts[call]))
