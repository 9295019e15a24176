"""What code is written of: which schedule held when, and what its lr was scaled with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Switched:
    """Another schedule was put in place.

    Args:
        schedule: filled in.
        anchor: `base`, `current` or `start`.
        words: what a person reads beside it.
    """

    schedule: Schedule
    anchor: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Scaled:
    """The schedule's own lr is multiplied with something else from now on.

    Args:
        scale: one factor a parameter group.
        words: of the command: `lr*1.25`, `undo` ...
    """

    scale: tuple[float, ...]
    words: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """What was done between two optimizer steps, in its order.

    Args:
        step: optimizer steps done.
        testing: whether it was done while an epoch's test was made, before the schedule's own step of that epoch.
    """

    step: int
    changes: tuple[Switched | Scaled, ...]
    testing: bool = False

    @property
    def switches(self) -> bool:
        """Whether another schedule is put in place."""
        return any(isinstance(change, Switched) for change in self.changes)

    @property
    def needed(self) -> Moment:
        """The moment without what a switch of the same moment has undone: all before the last that starts anew."""
        anew = [
            index
            for index, change in enumerate(self.changes)
            if isinstance(change, Switched) and change.anchor != "current"
        ]
        return replace(self, changes=self.changes[anew[-1] :]) if anew else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The lr of a whole run, as far as it does not come from PyTorch's scheduler itself.

    Args:
        first: the schedule it begins with; its anchor matters only where the course begins in mid-run.
        optimizer: its class, arguments and groups.
        epochs: of the whole run.
        batches_per_epoch: optimizer steps an epoch.
        moments: what was changed in mid-run, in the order of time.
        start_step: where the course begins: an epoch's first step.
        start_lrs: lr that the anchor `current` of the first schedule builds on, one per parameter group.
        accumulate: batches that make one optimizer step.
        clip_grad_norm: norm that the gradients are scaled down to; None for never.
        notes: lines for the head of the code.
    """

    first: Switched
    optimizer: OptimizerSpec
    epochs: int
    batches_per_epoch: int
    moments: tuple[Moment, ...] = ()
    start_step: int = 0
    start_lrs: tuple[float, ...] = ()
    accumulate: int = 1
    clip_grad_norm: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.batches_per_epoch

    @property
    def needed(self) -> Course:
        """The course without what has changed no lr of any step."""
        moments = [moment.needed for moment in self.moments if moment.step < self.total_steps]
        return replace(self, moments=tuple(moments))
