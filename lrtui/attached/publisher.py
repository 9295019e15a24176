"""Publishes the events of an attached run into the store, from a thread of its own."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.step_log import StepLog, StepRecord, mean
from lrtui.engine.recording import Recording
from lrtui.run.commands import Resume
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import Stopped, describe_exception
from lrtui.run.events import EpochDone, EvalDone, Event, Notice, Outcome, RunStarted, StepDone
from lrtui.run.feed import LiveFeed, StepBlock
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.store.command_output import inherited_output
from lrtui.store.location import DATABASE
from lrtui.text.format import printable
from lrtui.training.reporter import Reporter, finish_run

PUBLISH_SECONDS = 0.1
"""Seconds between two looks for new steps."""

OPEN_SECONDS = 5.0
"""Seconds that `attach` waits for a locked store; after that the run is not recorded."""

END_SECONDS = 5.0
"""Seconds that the end of the script waits until the last events are stored."""


def say(text: str) -> None:
    """Print a message of lrtui beside the script's own output; never fails."""
    with suppress(Exception):
        print(f"lrtui: {text}", file=sys.stderr, flush=True)


class _Feed(LiveFeed):
    """Hands the events to the recording, and keeps none."""

    def publish(self, event: Event | StepBlock) -> None:
        if self.listener is not None:
            self.listener(event)


class Publisher:
    """Makes events of the steps of an attached run, and records them.

    It does not refer to the optimizer: a run whose optimizer is gone is finished.

    Args:
        folder: folder of the store; None records nothing.
        spec: settings of the run.
        batches_per_step: batches per optimizer step.
        epochs: the epochs of the run.
    """

    def __init__(self, folder: Path | None, spec: RunSpec, batches_per_step: int, epochs: RunEpochs) -> None:
        self.log = StepLog(batches_per_step, is_kept=folder is not None)
        self.inbox = Inbox()
        self.lost = ""
        """Why the run is not recorded any more; empty while it is."""
        feed = _Feed()
        self.reporter = Reporter(feed)
        self.is_over = False
        self.stopped_by: str | None = None
        """The id of the stop command that the script was told of; None without one."""
        self.total_steps: int | None = None
        """Steps of the whole run; None if unknown."""
        self.skips_steps = False
        """Whether the script uses GradScaler, with which it makes fewer steps than it has batches."""
        self._epochs = epochs
        self._lrs: tuple[float, ...] = ()
        """The lrs of the last step."""
        self._seconds = 0.0
        """Training time at the last look for new steps."""
        self._early: list[tuple[type[Event], dict[str, Any]]] = []
        """Events before the start, which is known at the second step only: they follow it."""
        self._warned = False
        self._was_not_finite = False
        """Whether a loss that is not finite was reported; NaN is drawn as no value."""
        self._earlier_error = _uncaught_error()
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.recording: Recording | None = None
        self._thread: DaemonThread | None = None
        if folder is not None:
            self.recording = Recording.of_new_run(
                folder, spec, self.inbox.send, self.warn, OPEN_SECONDS, lose=self._lose
            )
            feed.listener = self.recording.publish
            self._thread = DaemonThread(self._work, "lrtui-steps")
            self._thread.start()

    def warn(self, text: str) -> None:
        """Print a failure of the store, once; any thread may call it."""
        if not self._warned:
            self._warned = True
            say(f"{text}. The script goes on")

    def _lose(self, reason: str) -> None:
        """Let the script go on: its run was deleted, so that no command can end a pause."""
        self.lost = reason
        self.warn("the run is not in its store any more: nothing more of it is recorded")
        self.inbox.send(Resume())

    def _check_store(self) -> None:
        if self.recording is not None and not self.lost and not (self.recording.folder / DATABASE).exists():
            self._lose("the store was deleted")

    def _work(self) -> None:
        while not self._ended.wait(PUBLISH_SECONDS):
            self._check_store()
            with self._lock:
                self._flush()
                # published the next time, since the script may be adding a value to it
                self.log.close_silent_step()

    def start(self, step: int, **fields: Any) -> None:
        """Publish RunStarted.

        Args:
            step: optimizer steps done before.
        """
        output = None if self.recording is None else inherited_output(self.recording.folder)
        self.reporter.publish(RunStarted, step=step, seconds=0.0, output=output, **fields)
        if self.recording is not None:
            self.recording.record_git_commit()
        early, self._early = self._early, []
        for event_class, fields in early:
            if fields["step"] > step:
                self.flush()
            if event_class is EpochDone:
                fields["lrs"] = self._lrs
            self.reporter.publish(event_class, **fields)

    def flush(self) -> None:
        """Publish the complete steps."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if not self.reporter.has_started:
            return
        now, seconds = time.perf_counter(), self.reporter.clock.seconds
        for record in self.log.take():
            # a process that was stopped since the last flush has made these steps before or after it
            self._seconds = max(self._seconds, seconds - (now - record.at))
            self._publish(record)
        self._seconds = seconds

    def _publish(self, record: StepRecord) -> None:
        epoch, batch = self._epochs.place(record.step)
        self.reporter.step = max(self.reporter.step, record.step + 1)
        values = {readable(name): mean(value) for name, value in record.values.items()}
        loss = values.pop("loss", None)
        if loss is not None and not math.isfinite(loss) and not self._was_not_finite:
            self._was_not_finite = True
            text = f"the script's loss is not finite at step {record.step:,}: {loss}"
            self.reporter.publish(
                Notice, step=record.step, seconds=self._seconds, level="warning", code="not-finite", text=text
            )
        self._lrs = tuple(float(lr) for lr in record.lrs)
        self.reporter.publish(
            StepDone,
            step=record.step,
            seconds=self._seconds,
            epoch=epoch,
            batch=batch,
            loss=math.nan if loss is None else loss,
            lrs=self._lrs,
            metrics=values,
        )

    def publish(self, event_class: type[Event], **fields: Any) -> None:
        """Publish an event after all steps before it."""
        self.flush()
        if self.reporter.has_started:
            self.reporter.publish(event_class, **fields)
        else:
            moment = {"step": self.reporter.step, "seconds": self.reporter.clock.seconds}
            self._early.append((event_class, {**moment, **fields}))

    def warn_in_run(self, code: str, text: str) -> None:
        """Publish a warning, after all steps before it."""
        self.publish(Notice, level="warning", code=code, text=text)

    def epoch_done(self, epoch: int, step: int) -> None:
        """Publish the end of an epoch after this many steps."""
        self.flush()
        # how many samples a batch has is not known
        self.publish(EpochDone, step=step, epoch=epoch, lrs=self._lrs, samples_per_second=float("nan"))

    def publish_eval(self, results: Mapping[str, float], epoch: int) -> None:
        """Publish the results of a test, by name, after all steps before it; for the script's thread."""
        self.log.close_step()
        self.log.read_device(wait=True)
        self.publish(
            EvalDone,
            epoch=epoch,
            loss=results.get("loss"),
            accuracy=results.get("accuracy"),
            metrics={readable(name): value for name, value in results.items() if name not in ("loss", "accuracy")},
            seconds_taken=0.0,
        )

    def finish(
        self, outcome: Outcome | None = None, error: str | None = None, *, command_id: str = "", wait: bool = True
    ) -> None:
        """Publish the last event, and wait until it is stored, at most a few seconds.

        Args:
            outcome: None for the one that follows from how the script ended.
            command_id: the command that ended it.
            wait: whether to wait.
        """
        # a forked process has a copy of the run
        if self.is_over or self._process != os.getpid():
            return
        self.is_over = True
        command_id = command_id or self.stopped_by or ""
        with suppress(Exception):
            self.log.close_step()
            self.log.read_device(wait=True)
            self.flush()
            if outcome is None:
                outcome, error = self._outcome()
            if self.reporter.has_started:
                finish_run(self.inbox, self.reporter, outcome, error, command_id=command_id)
            self._ended.set()
            if self.recording is None:
                return
            if not self.reporter.has_started:
                self.recording.withdraw(END_SECONDS)
            elif wait and (problem := self.recording.finish(END_SECONDS)):
                self.warn(problem)
            self.recording.close()

    def _outcome(self) -> tuple[Outcome, str | None]:
        """Return how the run ended, from how the script ended."""
        error = _uncaught_error()
        if error is self._earlier_error:
            error = None
        if isinstance(error, (KeyboardInterrupt, Stopped)):
            return "stopped", None
        if isinstance(error, BaseException) and not isinstance(error, SystemExit):
            return "failed", describe_exception(error)
        needed = self.total_steps or 0
        if self.skips_steps and self._epochs.steps_per_epoch:
            needed -= self._epochs.steps_per_epoch - 1
        is_short = self.reporter.step < needed and not self._epochs.are_over
        return ("stopped" if is_short or self.stopped_by is not None else "done"), None


def _uncaught_error() -> object:
    """Return the exception that the interpreter has printed last, since nobody caught it."""
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


@cache
def readable(name: str) -> str:
    """Return the name of a value as the store has it: one line of printable characters."""
    return printable(str(name)) or "unnamed"
