"""The log of a run, and its events as lines of text."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lrtui.run.evaluations import shown_loss
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
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.run.feed import OutputLines, StepBlock
from lrtui.text.format import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG_LINES = 5000
"""Maximum number of lines in a log; older ones are dropped, since the store has their events."""

LineKind = Literal["step", "evaluation", "change", "warning", "error", "output"]


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log."""

    kind: LineKind
    text: str
    seq: int = -1
    """`seq` of the event it describes; -1 if it describes none."""


@dataclass(slots=True)
class Log:
    """The newest lines of a run's log."""

    lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    count: int = 0
    """Number of lines ever added."""
    has_output: bool = False
    """Whether the output of the run's command stands in place of the lines of steps and tests."""
    names_epochs: bool = True
    """Whether the lines of steps name the epoch; a log may not count epochs."""
    is_of_log: bool = False
    """Whether the run is known from a log: it may have no lr, and a loss in it may be any that is not finite."""
    open_rows: tuple[str, ...] = ()
    """Lines of output that are not finished, such as a progress bar."""
    _needs_loss: bool = False
    """Whether the next step that has a loss has a line."""
    _due: deque[int] = field(default_factory=lambda: deque(maxlen=LOG_LINES), compare=False)
    """`seq` of the newest steps that were due for a line, of a run that does not log every loss."""

    def add(self, kind: LineKind, text: str, seq: int = -1) -> None:
        """Add a line."""
        self.lines.append(LogLine(kind, text, seq))
        self.count += 1

    def add_output(self, output: OutputLines) -> None:
        """Add the lines of output."""
        for line in output.lines:
            self.add("output", line)
        self.open_rows = output.open_rows

    def add_event(self, event: Event) -> None:
        """Add the line of an event, if it has one."""
        match event:
            case StepDone() | EvalDone() if self.has_output:
                return
            case StepDone():
                logged = logged_step_line(event, names_epochs=self.names_epochs) if self.is_of_log else step_line(event)
                self.add("step", logged, event.seq)
            case EvalDone():
                self.add("evaluation", evaluation_line(event), event.seq)
            case RunFinished():
                self.add("error" if event.error else "change", event.error or f"run {event.outcome}", event.seq)
            case Notice() if event.level != "info":
                self.add(event.level, event.text, event.seq)
            case _:
                if line := change_line(event):
                    self.add("change", line, event.seq)

    def add_step(self, event: StepDone, interval: int, *, has_every_loss: bool) -> None:
        """Add a line if the step's batch number is a multiple of the interval.

        Args:
            has_every_loss: whether each step has a loss; otherwise the line is that of the next step that has one.
        """
        if event.batch % interval == 0:
            self._needs_loss = True
            if not has_every_loss:
                self._due.append(event.seq)
        if self._needs_loss and (has_every_loss or not math.isnan(event.loss)):
            self._needs_loss = False
            self.add_event(event)

    def add_steps(self, block: StepBlock, interval: int, *, has_every_loss: bool) -> None:
        """Add the lines of a block of steps, as `add_step` does."""
        is_due = block.batches % interval == 0
        logged = is_due.nonzero()[0].tolist() if has_every_loss else self._first_losses(block, is_due)
        if self.has_output:
            return
        # lines that would be dropped immediately are not formatted: it would dominate the time to read a long run
        self.count += len(logged[:-LOG_LINES])
        for index in logged[-LOG_LINES:]:
            self.add_event(block.step(index))

    def _first_losses(self, block: StepBlock, is_due: NDArray[np.bool_]) -> list[int]:
        """Return the indices of the steps that are due, or are the first with a loss after one that is."""
        # steps from one that is due to the next have the same number; those before the first have 0
        parts = is_due.cumsum() + self._needs_loss
        with_loss = (block.loss == block.loss).nonzero()[0]
        firsts: dict[int, int] = {}
        for index in with_loss.tolist():
            firsts.setdefault(int(parts[index]), index)
        self._due.extend(block.seqs[is_due][-LOG_LINES:].tolist())
        last = int(parts[-1])
        self._needs_loss = last > 0 and last not in firsts
        return [index for part, index in firsts.items() if part > 0]

    def truncate(self, seq: int) -> None:
        """Drop the lines of all events after this one."""
        self.lines = deque((line for line in self.lines if line.seq <= seq), maxlen=LOG_LINES)
        self._due = deque((due for due in self._due if due <= seq), maxlen=LOG_LINES)
        last_due = self._due[-1] if self._due else -1
        self._needs_loss = last_due > max((line.seq for line in self.lines if line.kind == "step"), default=-1)


def format_lrs(lrs: tuple[float, ...]) -> str:
    """Return the lrs at full precision, one per parameter group, separated by commas."""
    return ", ".join(str(lr) for lr in lrs)


def rounded_lrs(lrs: tuple[float, ...]) -> str:
    """Return the lrs without the rounding error of a product: 0.05 for 0.049999999999999996."""
    return format_lrs(tuple(float(f"{lr:.12g}") for lr in lrs))


def computed_on(started: RunStarted) -> str:
    """Return what the run computes on: `cpu, 2 threads`, `cpu, 2 processes with 1 thread each`."""
    threads = counted(started.torch_threads, "thread") if started.device == "cpu" else ""
    if started.processes == 1:
        return f"{started.device}, {threads}" if threads else started.device
    each = f" with {threads} each" if threads else ""
    return f"{started.device}, {counted(started.processes, 'process')}{each}"


def step_line(event: StepDone) -> str:
    """Return the line of a batch, in the format of the PyTorch tutorial."""
    return (
        f"Train Epoch: {event.epoch} batch-{event.batch}\tLoss: {event.loss:.6f} Learning Rate: {format_lrs(event.lrs)}"
    )


def logged_step_line(event: StepDone, *, names_epochs: bool) -> str:
    """Return the line of a step of a log, which may count no epochs and have no lr."""
    moment = f"Epoch: {event.epoch} batch-{event.batch}" if names_epochs else f"Step: {event.step}"
    loss = shown_loss(event.loss, is_log=True)
    lrs = "" if all(map(math.isnan, event.lrs)) else f" Learning Rate: {format_lrs(event.lrs)}"
    return f"Train {moment}\tLoss: {loss:.6f}{lrs}"


def evaluation_line(event: EvalDone) -> str:
    """Return the line of a test, in the format of the PyTorch tutorial, without its blank lines."""
    accuracy = "" if event.accuracy is None else f", Accuracy: {event.accuracy:.4f}"
    metrics = "".join(f", {name}: {value:.4f}" for name, value in event.metrics.items())
    what = "Test set (averaged model)" if event.averaged else "Test set"
    loss = "" if event.loss is None else f", Average loss: {event.loss:.4f}"
    return f"{what}: {(loss + accuracy + metrics).removeprefix(', ')}"


def change_line(event: Event) -> str | None:
    """Return the line of an event other than a step, a test and the end; None if it is not logged."""
    match event:
        case ScheduleSwitched():
            return f"switched to {event.schedule} from {event.anchor}: lr {rounded_lrs(event.lrs)}"
        case LrSet():
            return f"lr {rounded_lrs(event.lrs_before)} -> {rounded_lrs(event.lrs_after)} ({event.by})"
        # checkpoints that are saved automatically would fill the log
        case CheckpointSaved() if event.reason in ("command", "pause", "stop"):
            return f"checkpoint saved ({event.reason}): {event.path}"
        case Extended():
            return f"the run has {counted(event.epochs, 'epoch')} now"
        case Paused():
            return "paused"
        case Resumed():
            return "resumed"
        case Notice():
            return event.text
        case CommandRefused():
            return f"refused: {event.command}: {event.reason}"
    return None
