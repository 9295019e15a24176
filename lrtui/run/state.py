"""The state of one run, folded from its events. Panes, printers and comparisons read only this."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lrtui.run.commands import ObeyedCommand
from lrtui.run.evaluations import Objective, objective_of
from lrtui.run.events import (
    LIVE,
    CommandAnswer,
    CommandRefused,
    EpochDone,
    EvalDone,
    EvaluationStarted,
    Event,
    Extended,
    LrSet,
    Notice,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    Status,
    StepDone,
)
from lrtui.run.feed import FeedItem, OutputLines, Rewritten, StepBlock, SummaryBlock
from lrtui.run.log import LineKind, Log
from lrtui.run.series import Series
from lrtui.run.smoothing import SPAN_GROWTH, Smoothed
from lrtui.run.spec import RunSpec
from lrtui.run.step_metrics import append_metrics, extend_metrics, extend_summarized_metrics

FORGET_EVERY = 4096
"""Interval in steps at which the oldest values of a long run are replaced by summaries."""


@dataclass(slots=True)
class RunState:
    """The state of one run; used by one thread.

    Series have one value per step: value `i` belongs to step `first_step + i`.
    """

    status: Status = "waiting"
    waiting_for: str = "the first event"
    """What the run is waiting for before its first batch."""
    started: RunStarted | None = None
    loss: Series = field(default_factory=Series)
    seconds: Series = field(default_factory=Series)
    """Training time at the end of each step."""
    lrs: list[Series] = field(default_factory=list)
    """One series per parameter group."""
    metrics: dict[str, Series] = field(default_factory=dict)
    """Further values of the steps, by name; NaN at steps without a value."""
    first_step: int = 0
    step: int = 0
    """Optimizer steps done."""
    elapsed: float = 0.0
    """Training time in seconds at the last event."""
    epoch: int = 0
    batch: int = 0
    evaluations: list[EvalDone] = field(default_factory=list)
    evaluating: bool = False
    epochs: list[EpochDone] = field(default_factory=list)
    changes: list[ScheduleSwitched | LrSet] = field(default_factory=list)
    refusals: list[CommandRefused] = field(default_factory=list)
    commands: list[ObeyedCommand] = field(default_factory=list)
    """Every command that was obeyed."""
    answered: dict[str, int] = field(default_factory=dict, compare=False)
    """The seq of the event that answered a command, by the command's id."""
    log: Log = field(default_factory=Log)
    outcome: RunFinished | None = None
    version: int = 0
    """Increases with every event, so that a pane knows whether it is up to date."""
    _step_seq: int = -1
    """`seq` of the last step."""
    _epoch_tested: int | None = None
    """The epoch whose test is in progress."""
    _smoothed: dict[tuple[int, int, float], Smoothed] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_live(self) -> bool:
        """Whether the run can still be given commands."""
        return self.status in LIVE

    @property
    def schedule(self) -> str:
        """Notation of the current schedule with its lengths filled in; empty before the run started."""
        switched = self.last_switch
        if switched is not None:
            return switched.schedule
        return self.started.spec.schedule if self.started else ""

    def as_trained(self, spec: RunSpec) -> RunSpec:
        """Return the run's settings with what its task decides: the batch size, and an optimizer that it makes."""
        if self.started is None:
            return spec
        own = self.started.spec
        optimizer = own.optimizer if own.optimizer.startswith("task:") else spec.optimizer
        return replace(spec, batch_size=own.batch_size, optimizer=optimizer)

    @property
    def last_switch(self) -> ScheduleSwitched | None:
        """The latest switch, or None."""
        return next((change for change in reversed(self.changes) if isinstance(change, ScheduleSwitched)), None)

    @property
    def scale(self) -> tuple[float, ...]:
        """The current factors of the unscaled lr, one per parameter group."""
        for change in reversed(self.changes):
            if isinstance(change, ScheduleSwitched):
                break
            if change.by != "plateau":
                # a group that was added later has its own lr
                return change.scale + (1.0,) * (len(self.lrs) - len(change.scale))
        return (1.0,) * len(self.lrs)

    @property
    def current_lrs(self) -> tuple[float, ...]:
        """The latest lrs, one per parameter group; empty before the run started."""
        if self.changes and self.changes[-1].seq > self._step_seq:
            change = self.changes[-1]
            return change.lrs if isinstance(change, ScheduleSwitched) else change.lrs_after
        if self.step > self.first_step:
            return tuple(series.last for series in self.lrs)
        return self.started.group_lrs if self.started else ()

    @property
    def last_loss(self) -> float:
        """The newest loss; NaN if there is none, or the loss of a run that logs every loss is NaN."""
        if not len(self.loss):
            return math.nan
        return self.loss.last if self.started and self.started.has_every_loss else self.loss.last_known

    def name_of_group(self, index: int) -> str:
        """Return the name of a parameter group, also of one that was added during the run."""
        return self.started.name_of_group(index) if self.started else f"group {index}"

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; 0 before the run started and for a log of unknown length."""
        return (self.started.total_steps or 0) if self.started else 0

    def smoothed(self, series: Series, span: int, growth: float = SPAN_GROWTH) -> Series:
        """Return the exponential mean of one of the state's series; cached, and brought up to date here.

        Args:
            span: span in steps.
            growth: growth of the span, in steps per step; 0 for the whole span from the first step on.
        """
        key = (id(series), span, growth)
        if key not in self._smoothed:
            self._smoothed[key] = Smoothed(series, span, growth)
        return self._smoothed[key].series

    @property
    def best(self) -> EvalDone | None:
        """The evaluation with the best finite value of the objective's metric."""
        return self.objective.best(result for result in self.evaluations if not result.averaged)

    @property
    def objective(self) -> Objective:
        """What decides which result is the best: the task's `best`, or else the accuracy, or else the loss."""
        has_accuracy = any(result.accuracy is not None for result in self.evaluations if not result.averaged)
        return objective_of([self.started], has_accuracy=has_accuracy)

    @property
    def last_test(self) -> EvalDone | None:
        """The latest result of the model itself on the test set."""
        return next((result for result in reversed(self.evaluations) if not result.averaged), None)

    @property
    def last_averaged(self) -> EvalDone | None:
        """The latest result of the averaged model on the test set, or None."""
        return next((result for result in reversed(self.evaluations) if result.averaged), None)

    @property
    def seconds_left(self) -> float | None:
        """Estimated training time left, evaluations included; None before the first step and if it is unknown."""
        done = self.step - self.first_step
        if done <= 0 or not self.total_steps or not self.is_live:
            return None
        return self.elapsed / done * max(0, self.total_steps - self.step)

    @property
    def samples_per_second(self) -> float | None:
        """Samples per second over the last hundred steps; None before the second step and if it is unknown."""
        steps = min(100, len(self.seconds) - 1)
        if steps < 1 or not self.started or not self.started.settings_known:
            return None
        span = self.seconds[-1] - self.seconds[-1 - steps]
        spec = self.started.spec
        return steps * spec.batch_size * spec.accumulate / span if span > 0 else None

    def note(self, kind: LineKind, text: str) -> None:
        """Add a line to the log that describes no event; it is not stored."""
        self.version += 1
        self.log.add(kind, text)

    def fold(self, items: Iterable[FeedItem]) -> None:
        """Add events and blocks of steps, the oldest first."""
        for item in items:
            if isinstance(item, Event):
                self._fold_event(item)
            elif isinstance(item, StepBlock):
                self._fold_steps(item)
            elif isinstance(item, OutputLines):
                self.version += 1
                self.log.add_output(item)
            elif isinstance(item, Rewritten):
                self._fold_rewritten(item)
            else:
                self._fold_summary(item)

    def wait_to_continue(self) -> None:
        """Note that the run will continue where the events so far end: it is waiting until it has started again."""
        self.status, self.waiting_for, self.outcome, self.evaluating = "waiting", "the first event", None, False

    def _fold_event(self, event: Event) -> None:
        self.version += 1
        self.elapsed = event.seconds
        if isinstance(event, StepDone):  # first, since nearly all events are this one
            self._fold_step(event)
            return
        if isinstance(event, CommandAnswer) and event.command_id:
            self.answered[event.command_id] = event.seq
        match event:
            case RunStarted():
                self._start(event)
            case EvaluationStarted():
                self.evaluating = True
                if not event.command and not event.periodic:
                    self._epoch_tested = event.epoch
            case EvalDone():
                self.evaluating = False
                self.evaluations.append(event)
            case EpochDone():
                self._epoch_tested = None
                self.epochs.append(event)
            case ScheduleSwitched() | LrSet():
                self.changes.append(event)
            case CommandRefused():
                self.refusals.append(event)
            case Extended() if self.started is not None:
                spec = self.started.spec.extended_to(event.epochs, event.total_steps)
                self.started = replace(self.started, spec=spec, total_steps=event.total_steps)
            case Paused():
                self.status = "paused"
            case Resumed():
                self.status = "running"
            case Notice() if self.status == "waiting":
                self.waiting_for = event.text
            case RunFinished():
                self.status, self.outcome, self.evaluating = event.outcome, event, False
        if isinstance(event, EvaluationStarted | ScheduleSwitched | LrSet | Extended) and event.command:
            self._add_command(event)
        self.log.add_event(event)

    def _add_command(self, event: EvaluationStarted | ScheduleSwitched | LrSet | Extended) -> None:
        # the scheduler steps after the test that ends an epoch, so a command during the test needs its own moment
        moment = f"step {event.step}" if self._epoch_tested is None else f"test {self._epoch_tested}"
        self.commands.append(ObeyedCommand(event.step, f"{moment}: {event.command}", event.seq, event.scripted))

    def _fold_step(self, event: StepDone) -> None:
        self.step, self.epoch, self.batch = event.step + 1, event.epoch, event.batch
        self._step_seq = event.seq
        self.loss.append(event.loss)
        self.seconds.append(event.seconds)
        if len(event.lrs) > len(self.lrs):
            self._add_groups(len(event.lrs), len(self.loss) - 1)
        for series, lr in zip(self.lrs, event.lrs, strict=True):
            series.append(lr)
        if event.metrics or self.metrics:
            append_metrics(self.metrics, event.metrics, self.loss)
        if len(self.loss) % FORGET_EVERY == 0:
            self._forget_old()
        if self.started:
            self.log.add_step(event, self.started.spec.log_interval, has_every_loss=self.started.has_every_loss)

    @property
    def _all_series(self) -> tuple[Series, ...]:
        return (self.loss, self.seconds, *self.lrs, *self.metrics.values())

    def _add_groups(self, count: int, steps_before: int) -> None:
        """Add the lrs of parameter groups that were added during the run: NaN at the steps before."""
        known_from = min(self.loss.known_from, steps_before)
        self.lrs += [Series.without_values(steps_before, known_from) for _ in range(count - len(self.lrs))]

    def _forget_old(self) -> None:
        for series in self._all_series:
            series.forget_old()

    def _fold_steps(self, block: StepBlock) -> None:
        last = block.step(len(block) - 1)
        self.version += len(block)
        self.elapsed, self._step_seq = last.seconds, last.seq
        self.step, self.epoch, self.batch = last.step + 1, last.epoch, last.batch
        self.loss.extend(block.loss)
        self.seconds.extend(block.seconds)
        self._add_groups(len(block.lrs), len(self.loss) - len(block))
        for series, lrs in zip(self.lrs, block.lrs, strict=True):
            series.extend(lrs)
        if block.metrics or self.metrics:
            extend_metrics(self.metrics, block, self.loss)
        self._forget_old()
        if self.started:
            self.log.add_steps(block, self.started.spec.log_interval, has_every_loss=self.started.has_every_loss)

    def _fold_summary(self, block: SummaryBlock) -> None:
        self.version += block.steps
        self.elapsed, self._step_seq = block.elapsed, block.seq
        self.step, self.epoch, self.batch = self.first_step + block.steps, block.epoch, block.batch
        before = len(self.loss)
        self.loss.extend_blocks(block.loss)
        self.seconds.extend_blocks(block.seconds)
        self._add_groups(len(block.lrs), before)
        for series, lrs in zip(self.lrs, block.lrs, strict=True):
            series.extend_blocks(lrs)
        extend_summarized_metrics(self.metrics, block, before)

    def _start(self, event: RunStarted) -> None:
        if event.resumed_from is not None and self.started is not None:
            last = event.resumed_seq if event.resumed_seq is not None else event.seq
            self._truncate(event.resumed_from, last)
        else:
            self.first_step = self.step = event.step
            self.lrs = [Series() for _ in event.group_lrs]
            self.metrics = {}
        self.started, self.status, self.outcome = event, "running", None
        self.log.has_output = event.output is not None
        self.log.names_epochs, self.log.is_of_log = event.names_epochs, event.spec.is_log
        self.waiting_for = "the first batch"

    def _fold_rewritten(self, item: Rewritten) -> None:
        self.version += 1
        self._truncate(item.step, item.seq)
        if item.step <= self.first_step:
            self.elapsed, self.epoch, self.batch, self._step_seq = 0.0, 0, 0, -1
        if self.outcome is not None and self.outcome.seq > item.seq:
            self.status, self.outcome = "running", None

    def _truncate(self, step: int, last: int) -> None:
        """Drop the steps from this one on, and the events after the one with seq `last`."""
        # a mean that is read only after the series has grown again would keep its old values
        self._smoothed.clear()
        for series in self._all_series:
            series.truncate(step - self.first_step)
        self.metrics = {name: series for name, series in self.metrics.items() if series.has_values}
        while self.started and len(self.lrs) > len(self.started.group_lrs) and not self.lrs[-1].has_values:
            self.lrs.pop()
        self.step = step
        self.evaluations = [result for result in self.evaluations if result.seq <= last]
        self.epochs = [epoch for epoch in self.epochs if epoch.seq <= last]
        self.changes = [change for change in self.changes if change.seq <= last]
        self.refusals = [refusal for refusal in self.refusals if refusal.seq <= last]
        self.commands = [command for command in self.commands if command.seq <= last]
        self.answered = {command: seq for command, seq in self.answered.items() if seq <= last}
        self.log.truncate(last)
        self._step_seq = min(self._step_seq, last)
        self.evaluating, self._epoch_tested = False, None
