"""The commands that a run takes: frozen values, so that they can cross to the training thread."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from lrtui.run.arguments import check_argument
from lrtui.run.gate import Gate
from lrtui.run.range_feed import RangeFeed, Sweep


def _new_id() -> str:
    return os.urandom(6).hex()


@dataclass(frozen=True, slots=True)
class Command:
    """A request to a run; an event that carries its id says that it was obeyed or refused."""

    id: str = field(default_factory=_new_id, kw_only=True, compare=False, repr=False)
    """The `command_id` of the event that answers it."""

    @property
    def text(self) -> str:
        """The command as it is written on the command line."""
        return type(self).__name__.lower()


@dataclass(frozen=True, slots=True)
class Pause(Command):
    """Wait before the next step; answered by Paused."""


@dataclass(frozen=True, slots=True)
class Resume(Command):
    """Continue after a pause; answered by Resumed."""


INTERRUPTED = "interrupted"
"""Code of the notice about a run that was stopped by something other than the user."""


@dataclass(frozen=True, slots=True)
class Stop(Command):
    """End the run after the current step; answered by RunFinished."""

    because: str = ""
    """Why the run is stopped, if not by the user. Published as a Notice, so that the next start offers to resume it."""

    def __post_init__(self) -> None:
        check_argument("Stop", "because", self.because, str, "text")


@dataclass(frozen=True, slots=True)
class SwitchSchedule(Command):
    """Use another schedule from the next step on; answered by ScheduleSwitched."""

    schedule: str
    anchor: str = "base"
    """`base`, `current` or `start`: which lr the new schedule builds on, and where it starts counting."""

    def __post_init__(self) -> None:
        check_argument("SwitchSchedule", "schedule", self.schedule, str, "the text of a schedule")
        check_argument("SwitchSchedule", "anchor", self.anchor, str, "base, current or start")

    @property
    def text(self) -> str:
        return f"{self.schedule} from {self.anchor}"


@dataclass(frozen=True, slots=True)
class SetLr(Command):
    """Set the lr to this value now and scale the rest of the schedule in proportion; answered by LrSet."""

    lr: float
    group: int | None = None
    """Index of the parameter group; None for all of them."""

    def __post_init__(self) -> None:
        check_argument("SetLr", "lr", self.lr, (int, float), "a number")
        check_argument("SetLr", "group", self.group, (int, type(None)), "the index of a group, or None")

    @property
    def text(self) -> str:
        return f"lr={self.lr!r}" if self.group is None else f"lr={self.lr!r} group={self.group}"


@dataclass(frozen=True, slots=True)
class ScaleLr(Command):
    """Multiply the lr, now and for the rest of the schedule; answered by LrSet."""

    factor: float

    def __post_init__(self) -> None:
        check_argument("ScaleLr", "factor", self.factor, (int, float), "a number")

    @property
    def text(self) -> str:
        return f"lr*{self.factor!r}"


@dataclass(frozen=True, slots=True)
class UndoLr(Command):
    """Undo the last change of the lr; answered by LrSet."""

    @property
    def text(self) -> str:
        return "undo"


@dataclass(frozen=True, slots=True)
class EvaluateNow(Command):
    """Evaluate on the test set before the next step; answered by EvaluationStarted, followed by EvalDone."""

    @property
    def text(self) -> str:
        return "evaluate"


@dataclass(frozen=True, slots=True)
class SaveCheckpoint(Command):
    """Save a checkpoint; answered by CheckpointSaved."""

    @property
    def text(self) -> str:
        return "checkpoint"


@dataclass(frozen=True, slots=True)
class Extend(Command):
    """Make the run longer by this many epochs; answered by Extended."""

    epochs: int

    def __post_init__(self) -> None:
        check_argument("Extend", "epochs", self.epochs, int, "a whole number")

    @property
    def text(self) -> str:
        return f"extend {self.epochs}"


@dataclass(frozen=True, slots=True)
class RangeTest(Command):
    """Raise the lr until the loss diverges, then continue as if nothing had happened.

    It is answered through its feed only: it does not change the run, so it is not among the run's events.
    """

    sweep: Sweep
    feed: RangeFeed = field(compare=False)

    @property
    def text(self) -> str:
        return "range test"


@dataclass(frozen=True, slots=True)
class Hold(Command):
    """Wait between two steps until the gate is left; it is not among the run's events, since it changes nothing."""

    gate: Gate = field(compare=False)


@dataclass(frozen=True, slots=True)
class ObeyedCommand:
    """A command that was obeyed.

    Args:
        step: optimizer steps done before it.
        line: the command and its moment, in the format of `--at`.
        seq: `seq` of the event that answered it.
        scripted: whether it came from `--at`.
    """

    step: int
    line: str
    seq: int
    scripted: bool = False
