"""What a run is told: frozen values that cross to the training thread. Each is answered by an event."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that a run is told."""

    @property
    def words(self) -> str:
        """The command as a person writes it."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Pause(Command):
    """Wait before the next step; answered by Paused."""


@dataclass(frozen=True, slots=True)
class Resume(Command):
    """Go on after a pause; answered by Resumed."""


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """End the run after the step under way; answered by RunFinished."""


@dataclass(frozen=True, slots=True)
class SwitchSchedule(Command):
    """Put another schedule in place from the next step on; answered by ScheduleSwitched."""

    schedule: str
    anchor: str = "base"
    """`base`, `current` or `start`: which lr the new schedule builds on, and from when it counts."""

    @property
    def words(self) -> str:
        return f"{self.schedule} from {self.anchor}"


@dataclass(frozen=True, slots=True)
class SetLr(Command):
    """Make the lr this value now, the rest of the schedule following in proportion; answered by LrSet."""

    lr: float
    group: int | None = None
    """Index of the parameter group; None for all of them."""

    @property
    def words(self) -> str:
        return f"lr={self.lr!r}" if self.group is None else f"lr={self.lr!r} group={self.group}"


@dataclass(frozen=True, slots=True)
class ScaleLr(Command):
    """Multiply the lr, now and for the rest of the schedule; answered by LrSet."""

    factor: float

    @property
    def words(self) -> str:
        return f"lr*{self.factor!r}"


@dataclass(frozen=True, slots=True)
class UndoLr(Command):
    """Take the last change of lr back; answered by LrSet."""

    @property
    def words(self) -> str:
        return "undo"


@dataclass(frozen=True, slots=True)
class EvaluateNow(Command):
    """Evaluate on the test set before the next step; answered by EvalDone."""

    @property
    def words(self) -> str:
        return "evaluate"
