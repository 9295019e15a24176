"""What a run is told: frozen values that cross to the training thread. Each is answered by an event."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrtui.run.errors import UsageError
from lrtui.run.range_feed import RangeFeed
from lrtui.run.sweep import Sweep


def _check(name: str, value: object, kinds: tuple[type, ...], expected: str) -> None:
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise UsageError(f"{name} is {expected}, not {value!r:.60}")


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a run is told."""

    @property
    def text(self) -> str:
        """The command as a person writes it."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Pause(Command):
    """Wait before the next step; answered by Paused."""


@dataclass(frozen=True, slots=True)
class Resume(Command):
    """Go on after a pause; answered by Resumed."""


INTERRUPTED = "interrupted"
"""Code of the notice that says what stopped a run, where that was no person."""


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """End the run after the step under way; answered by RunFinished."""

    because: str = ""
    """What ends it, where that is no person: told by a Notice, so that the next start offers to go on."""


@dataclass(frozen=True, slots=True)
class SwitchSchedule(Command):
    """Put another schedule in place from the next step on; answered by ScheduleSwitched."""

    schedule: str
    anchor: str = "base"
    """`base`, `current` or `start`: which lr the new schedule builds on, and from when it counts."""

    def __post_init__(self) -> None:
        _check("schedule", self.schedule, (str,), "a schedule's text")
        _check("anchor", self.anchor, (str,), "base, current or start")

    @property
    def text(self) -> str:
        return f"{self.schedule} from {self.anchor}"


@dataclass(frozen=True, slots=True)
class SetLr(Command):
    """Make the lr this value now, the rest of the schedule following in proportion; answered by LrSet."""

    lr: float
    group: int | None = None
    """Index of the parameter group; None for all of them."""

    def __post_init__(self) -> None:
        _check("lr", self.lr, (int, float), "a number")
        if self.group is not None:
            _check("group", self.group, (int,), "the group's index, or None")

    @property
    def text(self) -> str:
        return f"lr={self.lr!r}" if self.group is None else f"lr={self.lr!r} group={self.group}"


@dataclass(frozen=True, slots=True)
class ScaleLr(Command):
    """Multiply the lr, now and for the rest of the schedule; answered by LrSet."""

    factor: float

    def __post_init__(self) -> None:
        _check("factor", self.factor, (int, float), "a number")

    @property
    def text(self) -> str:
        return f"lr*{self.factor!r}"


@dataclass(frozen=True, slots=True)
class UndoLr(Command):
    """Take the last change of lr back; answered by LrSet."""

    @property
    def text(self) -> str:
        return "undo"


@dataclass(frozen=True, slots=True)
class EvaluateNow(Command):
    """Evaluate on the test set before the next step; answered by EvalDone."""

    @property
    def text(self) -> str:
        return "evaluate"


@dataclass(frozen=True, slots=True)
class SaveCheckpoint(Command):
    """Save all that is needed to go on from here; answered by CheckpointSaved."""

    @property
    def text(self) -> str:
        return "checkpoint"


@dataclass(frozen=True, slots=True)
class Extend(Command):
    """Make the run longer by so many epochs; answered by Extended."""

    epochs: int

    def __post_init__(self) -> None:
        _check("epochs", self.epochs, (int,), "a whole number")

    @property
    def text(self) -> str:
        return f"extend {self.epochs}"


@dataclass(frozen=True, slots=True)
class RangeTest(Command):
    """Raise the lr until the loss leaves off, and go on as if nothing had been; answered through its feed alone.

    It is no part of the run's story: nothing of the run depends on it.
    """

    sweep: Sweep
    feed: RangeFeed = field(compare=False)

    @property
    def text(self) -> str:
        return "range test"


@dataclass(frozen=True, slots=True)
class ObeyedCommand:
    """A command that was obeyed.

    Args:
        step: optimizer steps done before it.
        line: as `--at` takes it.
        seq: of the event that answered it.
        scripted: whether a script gave it, and not a person.
    """

    step: int
    line: str
    seq: int
    scripted: bool = False
