"""Events as lines of a log: the tutorial's to the letter, and notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrtui.run.events import (
    CheckpointSaved,
    CommandRefused,
    EvalDone,
    Event,
    Extended,
    LrSet,
    Notice,
    Paused,
    Resumed,
    ScheduleSwitched,
    StepDone,
)

LineKind = Literal["step", "evaluation", "change", "warning", "error"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log and what it is about."""

    kind: LineKind
    text: str
    seq: int = -1
    """Of the event that it tells."""


def format_lrs(lrs: tuple[float, ...]) -> str:
    """Return the lrs at full precision, one per parameter group, parted by commas."""
    return ", ".join(str(lr) for lr in lrs)


def step_line(event: StepDone) -> str:
    """Return the tutorial's line of a batch."""
    return (
        f"Train Epoch: {event.epoch} batch-{event.batch}\tLoss: {event.loss:.6f} Learning Rate: {format_lrs(event.lrs)}"
    )


def evaluation_line(event: EvalDone) -> str:
    """Return the tutorial's line of a test, without the empty lines around it."""
    accuracy = "" if event.accuracy is None else f", Accuracy: {event.accuracy:.4f}"
    metrics = "".join(f", {name}: {value:.4f}" for name, value in event.metrics.items())
    what = "Test set (averaged model)" if event.averaged else "Test set"
    return f"{what}: Average loss: {event.loss:.4f}{accuracy}{metrics}"


def change_line(event: Event) -> str | None:
    """Return the line of anything else that belongs into a log, or None."""
    match event:
        case ScheduleSwitched():
            return f"switched to {event.schedule} from {event.anchor}: lr {format_lrs(event.lrs)}"
        case LrSet():
            return f"lr {format_lrs(event.lrs_before)} -> {format_lrs(event.lrs_after)} ({event.by})"
        # those made by the clock, at each epoch's end and after each change are what nobody needs to read
        case CheckpointSaved() if event.reason in ("command", "pause", "stop"):
            return f"checkpoint saved ({event.reason}): {event.path}"
        case Extended():
            return f"the run has {event.epochs:,} epochs now"
        case Paused():
            return "paused"
        case Resumed():
            return "resumed"
        case Notice():
            return event.text
        case CommandRefused():
            return f"refused: {event.command}: {event.reason}"
    return None
