"""The factor of each parameter group's lr, kept outside of the scheduler.

The optimizer's lr is always the unscaled lr times the scale. The scheduler only ever sees the unscaled lr: it is
restored before `scheduler.step()`, and afterwards unscaled x scale is written. A nudge is therefore exact for every
scheduler: for those that read the group's lr, those that read `base_lrs`, nested ones and a user's class. Editing a
scheduler's state in place is not exact for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from lrtui.run.errors import UsageError


def write_lr(group: dict[str, Any], lr: float | torch.Tensor) -> None:
    """Write the lr of a parameter group; an lr that is a tensor is filled in place, since compiled code holds it."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(lr)
    else:
        group["lr"] = lr


def lrs_of(optimizer: torch.optim.Optimizer) -> list[float]:
    """Return the optimizer's lr, one per parameter group."""
    return [float(group["lr"]) for group in optimizer.param_groups]


class LrScale:
    """The scale of an optimizer's lr, and its history since the schedule was set.

    Args:
        optimizer: its lrs are unscaled at first. Groups that are added to it later begin unscaled.
        within_steps: whether the groups have the scaled lrs only between `begin_step` and `end_step`, for a script that
            sets the lr itself, perhaps to a multiple of what it was.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, *, within_steps: bool = False) -> None:
        self._optimizer = optimizer
        self._within_steps = within_steps
        self._factors = [1.0] * len(optimizer.param_groups)
        self._earlier: list[list[float]] = []
        self._unscaled: list[float] = []
        self._kept: dict[int, tuple[Any, Any]] = {}
        """The unscaled and the scaled lr of groups that are in a step, by the ids of the groups."""
        self.is_neutral = True
        """Whether every factor is 1; the lrs are then neither read nor written."""

    @property
    def factors(self) -> list[float]:
        """The factors that the unscaled lrs are multiplied by, one per parameter group."""
        added = len(self._optimizer.param_groups) - len(self._factors)
        return self._factors + [1.0] * added

    @property
    def unscaled(self) -> list[float]:
        """The lrs as the scheduler has written them, one per parameter group."""
        lrs = lrs_of(self._optimizer)
        if self.is_neutral or self._within_steps:
            return lrs
        return self._unscaled + lrs[len(self._unscaled) :]

    @property
    def lrs(self) -> list[float]:
        """The lrs of the next step, one per parameter group."""
        if self._within_steps:
            return [lr * factor for lr, factor in zip(self.unscaled, self.factors, strict=True)]
        return lrs_of(self._optimizer)

    @contextmanager
    def unscaled_lrs(self) -> Iterator[None]:
        """Let the optimizer have the unscaled lrs in the block, in which a scheduler changes them."""
        if self.is_neutral or self._within_steps:
            yield
            return
        self._write(self._unscaled)
        try:
            yield
            self._unscaled = lrs_of(self._optimizer)
        finally:
            self.write()

    def write(self) -> None:
        """Write unscaled x scale to the parameter groups."""
        if not (self.is_neutral or self._within_steps):
            self._unscaled = self.unscaled
            self._factors = self.factors
            self.write_again()

    def write_again(self) -> None:
        """Write unscaled x scale after `restore`, whatever the groups have."""
        self._write(self._scaled)

    @property
    def _scaled(self) -> list[float]:
        return [lr * factor for lr, factor in zip(self._unscaled, self._factors, strict=True)]

    def _write(self, lrs: Sequence[float]) -> None:
        # groups that were added since are left as they are
        for group, lr in zip(self._optimizer.param_groups, lrs, strict=False):
            write_lr(group, lr)

    def adopt(self) -> None:
        """Take an lr that was written to a group from outside as its unscaled one."""
        if self.is_neutral or self._within_steps:
            return
        written = self._scaled
        found = lrs_of(self._optimizer)[: len(written)]
        if found != written and not any(
            isinstance(group["lr"], torch.Tensor) for group in self._optimizer.param_groups
        ):
            pairs = zip(self._unscaled, found, written, strict=True)
            self._unscaled = [lr if now == before else now for lr, now, before in pairs]
            self.write()

    def begin_step(self, groups: slice) -> None:
        """Write the scaled lrs of these groups, for one step of their optimizer."""
        for group, factor in zip(self._optimizer.param_groups[groups], self.factors[groups], strict=True):
            if (left := self._kept.pop(id(group), None)) is not None and group["lr"] == left[1]:
                # the last step has not ended, since it raised an error
                write_lr(group, left[0])
            lr = group["lr"]
            # compiled code holds the tensor itself
            unscaled = lr.clone() if isinstance(lr, torch.Tensor) else lr
            write_lr(group, lr * factor)
            self._kept[id(group)] = unscaled, unscaled * factor

    def end_step(self, groups: slice) -> None:
        """Write the unscaled lrs of these groups again."""
        for group in self._optimizer.param_groups[groups]:
            if id(group) in self._kept:
                write_lr(group, self._kept.pop(id(group))[0])

    def scale_by(self, factor: float) -> None:
        """Multiply the lr by `factor`, now and for the rest of the schedule.

        Raises:
            UsageError: for a factor that is not finite and positive, or an lr that would not be finite.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise UsageError(f"the lr can only be multiplied by a positive number, not {factor}")
        self._rescale([scale * factor for scale in self.factors])

    def set_lr(self, lr: float, group: int | None = None) -> None:
        """Set the lr of the next step; the rest of the schedule follows in proportion.

        Args:
            lr: the lr of the next step.
            group: index of one parameter group, or None for all but those that are frozen at 0.

        Raises:
            UsageError: for a negative or non-finite lr, for an unknown group, or if the schedule's lr is 0, which
                no factor changes.
        """
        unscaled = self.unscaled
        if not (math.isfinite(lr) and lr >= 0):
            raise UsageError(f"the lr must be a finite number of at least 0, not {lr}")
        if group is not None and not 0 <= group < len(unscaled):
            raise UsageError(f"no parameter group {group}: the optimizer has {len(unscaled)}, numbered from 0")
        trained = [index for index, each in enumerate(unscaled) if each]
        chosen = trained if group is None else [group]
        if not chosen or any(unscaled[index] == 0 for index in chosen):
            raise UsageError(
                "the schedule's lr is 0 at this point and can't be scaled to another value; switch the schedule"
            )
        factors = self.factors
        for index in chosen:
            factors[index] = _exact_ratio(lr, unscaled[index])
        self._rescale(factors)

    def undo(self) -> None:
        """Restore the scale before its last change.

        Raises:
            UsageError: if nothing has changed the scale.
        """
        if not self._earlier:
            raise UsageError("nothing to undo: the lr has not been changed since the schedule was set")
        self._unscaled = self.unscaled
        earlier = self._earlier.pop()
        self._set(earlier + [1.0] * (len(self._unscaled) - len(earlier)))

    def _rescale(self, factors: list[float]) -> None:
        unscaled = self.unscaled
        if not all(math.isfinite(lr * factor) for lr, factor in zip(unscaled, factors, strict=True)):
            raise UsageError("the lr would not be finite")
        self._unscaled = unscaled
        self._earlier.append(self.factors)
        self._set(factors)

    def _set(self, factors: list[float]) -> None:
        self._factors = factors
        self.is_neutral = False
        self.write()
        self.is_neutral = all(factor == 1 for factor in factors)

    def state(self) -> dict[str, Any]:
        """Return the scale, its history and the unscaled lrs, as plain values."""
        return {"factors": self.factors, "earlier_factors": self._earlier, "_unscaled": self.unscaled}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned; the parameter groups are not written."""
        self._factors, self._earlier, self._unscaled = state["factors"], state["earlier_factors"], state["_unscaled"]
        self.is_neutral = all(factor == 1 for factor in self._factors)


def _exact_ratio(lr: float, unscaled: float) -> float:
    """Return lr / unscaled, or a neighbouring float f with unscaled * f == lr, so that an lr of 0.1 is exactly 0.1."""
    ratio = lr / unscaled
    neighbours = (ratio, math.nextafter(ratio, math.inf), math.nextafter(ratio, -math.inf))
    return next((factor for factor in neighbours if unscaled * factor == lr), ratio)
