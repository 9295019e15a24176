"""What a schedule is chosen for, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class PickerContext:
    """What a schedule is chosen for.

    Args:
        schedule: notation to begin with.
        optimizer: notation.
        epochs: of the run.
        batches_per_epoch: optimizer steps an epoch.
        live: state of the run whose schedule would be switched: of the one under way, or of a branch's parent as it
            was; None to choose the next run's.
        number: that run's number.
        recent: schedules chosen before, the latest first.
        scheduler: the one to point at first, in place of that of `schedule`.
        branch_epoch: the epoch after whose end a branch would begin; None for no branch.
    """

    schedule: str
    optimizer: str
    epochs: int
    batches_per_epoch: int
    live: RunState | None = None
    number: int = 0
    recent: tuple[str, ...] = ()
    scheduler: str | None = None
    branch_epoch: int | None = None


@dataclass(frozen=True, slots=True)
class PickerChoice:
    """What was chosen: a schedule's notation, where it is anchored, and whether to start a run anew with it."""

    schedule: str
    anchor: str
    restart: bool
