"""What is looked at: a schedule, what it drives, for how long, and the lr that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrtui.analysis.checks.part import Place, places
from lrtui.run.errors import LrtuiError, NotationError
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Horizon, Schedule, fill_in
from lrtui.schedules.simulate import simulate
from lrtui.text.format import counted

if TYPE_CHECKING:
    from lrtui.schedules.optimizer import OptimizerSpec

Floats = NDArray[np.float64]


class Plan:
    """A schedule for a run, with its lr of every step.

    Args:
        schedule: as the user wrote it.
        optimizer: what it drives.
        horizon: the stretch that it covers.
        accumulate: batches whose gradients make one optimizer step.
        base_lrs: lr that it builds on, one per parameter group; None for the optimizer's.
        lrs: lr of each step from the horizon's start on, where it was computed before.
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
        self.schedule, self.optimizer, self.horizon, self.accumulate = schedule, optimizer, horizon, accumulate
        self.base_lrs = tuple(base_lrs) if base_lrs is not None else optimizer.lrs
        self.filled, self.filled_in = fill_in(schedule, horizon)
        self.calls = horizon.calls(schedule.per)
        self._tried: dict[str, Plan | None] = {}
        self.fault: LrtuiError | None = None
        """Why it can't be followed to the run's end; None where it can."""
        self.lrs: Floats = np.empty((0, len(self.base_lrs)))
        """float64, shape (steps, parameter groups); no steps where it can't be followed."""
        if lrs is not None:
            self.lrs = lrs
            return
        try:
            with np.errstate(all="ignore"):
                self.lrs = simulate(schedule, optimizer, horizon, base_lrs=self.base_lrs)
        except LrtuiError as fault:
            self.fault = fault

    def with_schedule(self, schedule: Schedule) -> Plan | None:
        """Return the plan with another schedule, written out and read back as a user would; None for what can't be."""
        text = str(schedule)
        if text not in self._tried:
            try:
                plan = Plan(
                    parse_schedule(text),
                    self.optimizer,
                    self.horizon,
                    accumulate=self.accumulate,
                    base_lrs=self.base_lrs,
                )
            except NotationError:
                self._tried[text] = None
            else:
                plan._tried = self._tried
                self._tried[text] = plan
        return self._tried[text]

    @cached_property
    def places(self) -> list[Place]:
        """The schedule and all inside it, lengths filled in."""
        return list(places(self.filled, self.calls))

    def named(self, *names: str) -> list[Place]:
        """Return the places of PyTorch's schedulers of these names."""
        return [place for place in self.places if place.name in names]

    @cached_property
    def is_finite(self) -> bool:
        """Whether every lr is a number."""
        return bool(np.isfinite(self.lrs).all())

    @property
    def can_train(self) -> bool:
        """Whether it can be followed to the run's end, by lrs that an optimizer takes."""
        return self.fault is None and self.is_finite and not (self.lrs < 0).any()

    @cached_property
    def peaks(self) -> Floats:
        """The highest lr of each parameter group."""
        peaks: Floats = self.lrs.max(axis=0, initial=0.0)
        return peaks

    @cached_property
    def share(self) -> Floats:
        """The lr of each step as a share of its peak, that of the parameter group where it is greatest; shape (steps,).

        A group that is never trained, since its lr is 0, says nothing; where none is trained all are 0.
        """
        live = self.peaks > 0
        if not live.any() or not self.is_finite:
            return np.zeros(len(self.lrs))
        shares: Floats = (self.lrs[:, live] / self.peaks[live]).max(axis=1)
        return shares

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The step at which the lr after each `step()` call begins to hold, the first included; shape (calls,)."""
        if self.schedule.per == "batch":
            return np.arange(self.calls)
        length, start = self.horizon.batches_per_epoch, self.horizon.start_step
        begins = np.arange(start // length, start // length + self.calls) * length - start
        return np.maximum(begins, 0)

    def share_at(self, call: int) -> float:
        """Return the share of the peak that holds after so many `step()` calls."""
        return float(self.share[self.starts[call]])

    @property
    def peak(self) -> float:
        """The highest lr of all."""
        return float(self.peaks.max(initial=0.0))

    @property
    def last(self) -> float:
        """The lr of the last step, that of the parameter group where it is greatest."""
        return float(self.lrs[-1].max())

    # --- words -------------------------------------------------------------------------------------------------------

    @property
    def unit(self) -> str:
        """What `step()` is called after, in the plural: a step takes more than one batch where gradients add up."""
        return "epochs" if self.schedule.per == "epoch" else "steps"

    @property
    def length_words(self) -> str:
        """How long it has: `10 epochs`, `9,380 steps`."""
        return self.count(self.calls)

    def count(self, calls: int) -> str:
        """Return so many `step()` calls in words: `1 epoch`, `938 steps`."""
        return counted(calls, self.unit[:-1])

    def group(self, index: int) -> str:
        """Return a parameter group with the lr that it has: `parameter group "fc*", 0.001`."""
        return f'parameter group "{self.optimizer.group_names[index]}", {self.base_lrs[index]:g}'

    def when(self, step: int) -> str:
        """Return where in the run a step is: `epoch 4`, `step 1,200 (epoch 2)`."""
        step = int(step) + self.horizon.start_step
        epoch, batch = divmod(step, self.horizon.batches_per_epoch)
        return f"step {step:,} (epoch {epoch + 1:,})" if batch else f"epoch {epoch + 1:,}"
