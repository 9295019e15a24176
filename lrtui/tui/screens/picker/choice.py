"""What a schedule is chosen for, and what was chosen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lrtui.run.state import RunState
from lrtui.tui.forecast import Question
from lrtui.tui.screens.picker.candidates import Candidates
from lrtui.tui.screens.picker.what_if import Recorded


@dataclass(frozen=True, slots=True)
class RaceEstimate:
    """What a race from the picker would be.

    Args:
        refusal: why there can be none now, in words; empty where there can.
        place: the store that its runs would be kept in.
        epoch_seconds: how long an epoch takes, tests included; None where nothing tells.
        paced_by: number of the run that tells.
    """

    refusal: str = ""
    place: str = ""
    epoch_seconds: float | None = None
    paced_by: int = 0


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
        in_place_of: number of the run that ends where a new one is started with the choice, at once; None where the
            choice is for whatever run comes next.
        accumulate: batches whose gradients make one optimizer step.
        race: what a race of candidates would be.
        recorded: the tests that a schedule which follows them is laid over; None for those of `live`.
        candidates: the schedules that were kept before; more are kept there.
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
    in_place_of: int | None = None
    accumulate: int = 1
    race: RaceEstimate = RaceEstimate("no race can be started from here")
    recorded: Recorded | None = None
    candidates: Candidates = field(default_factory=Candidates)
    start_step: int = field(init=False)
    """The step that the schedule would hold from."""
    current_lrs: tuple[float, ...] = field(init=False)
    """What the anchor `current` builds on; empty where no run would be switched."""

    def __post_init__(self) -> None:
        # of the moment when the picker opens: the run goes on below it, and a question with another step in it at
        # every look would never have its answer
        object.__setattr__(self, "start_step", self.live.step if self.live is not None else 0)
        object.__setattr__(self, "current_lrs", self.live.current_lrs if self.live is not None else ())

    def question(self, schedule: str, anchor: str) -> Question:
        """Return the question for the curve of a schedule, and for what there is to say of it."""
        whole = Question(
            schedule,
            self.optimizer,
            self.epochs,
            self.batches_per_epoch,
            checked=True,
            accumulate=self.accumulate,
        )
        if self.live is None:
            return whole
        return replace(whole, start_step=self.start_step, anchor=anchor, current_lrs=self.current_lrs)


@dataclass(frozen=True, slots=True)
class PickerChoice:
    """What was chosen: a schedule's notation, where it is anchored, and whether to start a run anew with it."""

    schedule: str
    anchor: str
    restart: bool


@dataclass(frozen=True, slots=True)
class RaceChoice:
    """What shall race: notations, the first being what the others are measured against, and with how many seeds."""

    schedules: tuple[str, ...]
    seeds: int
