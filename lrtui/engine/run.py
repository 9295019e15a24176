"""A training run of this process: connects a thread, an event feed, an inbox, a store and a state.

Imports neither Textual nor torch: importing it is cheap, and the training thread imports torch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.engine.interpreter_exit import stop_at_exit
from lrtui.engine.lock import exclusive
from lrtui.engine.own_process import import_torch, tune_memory, tune_thread
from lrtui.engine.time_slice import COMPUTING_SECONDS
from lrtui.run.commands import Command, RangeTest, Stop
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.run.events import Event, RunStarted
from lrtui.run.feed import FeedItem, LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.interrupts import interrupts_deferred
from lrtui.run.range_feed import RangeEnd, RangeFeed
from lrtui.run.source import RunId
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.training.reporter import Reporter, finish_run

# the store, schedules and tasks take 60 ms to import, which the first frame does not wait for
if TYPE_CHECKING:
    from lrtui.engine.recording import Recording
    from lrtui.engine.resume import ResumePlan
    from lrtui.tasks.task import Task
    from lrtui.training.checkpoint.policy import Checkpoints

START_SECONDS = 60.0
"""Seconds that a run waits at its start for a store that is locked or slow; after that it is not recorded."""

POLL_SECONDS = 0.01
"""Seconds between two polls of an iterator over events."""

EVENTS_A_POLL = 20_000
"""Maximum number of events per poll, so that a burst of tiny steps never blocks the screen."""


class Run:
    """A training run of this process: started, watched and commanded from another thread.

    ```
    run = Run(RunSpec(schedule="ExponentialLR(gamma=0.1)", epochs=5)).start()
    for event in run:
        if isinstance(event, EvalDone) and event.epoch == 2:
            run.send("OneCycleLR(max_lr=0.003) from base")
    print(run.result().best)
    ```

    One thread takes its events: by iterating, by `poll`, or by `result`. The run is recorded in a store unless the
    settings' `store` is "none".

    Args:
        spec: settings as the user gave them.
        task: what is trained, instead of the task that the settings name.
        number: number of the run if it is not recorded; a store gives it another one.
        resume_plan: the stored run to resume or branch from, instead of a new run; `spec` is then the plan's.
    """

    def __init__(
        self,
        spec: RunSpec,
        task: Task | None = None,
        *,
        number: int = 1,
        resume_plan: ResumePlan | None = None,
    ) -> None:
        self.number = number
        self.spec = spec if task is None else replace(spec, task=_name_of(task))
        if task is not None:
            from lrtui.tasks.registry import checked_task

            checked_task(task, self.spec.task)
        self.state = RunState()
        """The fold of the events taken so far."""
        self.error: LrtuiError | None = None
        """The error in the settings, the data or the task that ended the run."""
        self.recording_error = ""
        """What could not be recorded, as a message; set when the run is over."""
        self.ended_at: float | None = None
        """When training ended, by `time.monotonic`, while the last events are being stored; None at other times."""
        self.has_begun = False
        """Whether its RunStarted has been taken; a resume that is refused has none of its own."""
        self._task, self._resume_plan = task, resume_plan
        self._recording: Recording | None = None
        self._checkpoints: Checkpoints | None = None
        self._history: Sequence[FeedItem] = ()
        self._folded: list[Event] = []
        self._range_feeds: list[RangeFeed] = []
        self._feed, self._inbox = LiveFeed(), Inbox()
        self._reporter = Reporter(self._feed, next_seq=resume_plan.next_seq if resume_plan else 0)
        # not a Textual worker, which is tied to a widget: leaving the screen must not wait for a batch to end
        self._thread = DaemonThread(self._work, f"training-{number}")

    def start(self, store_seconds: float = START_SECONDS) -> Run:
        """Start training in a thread, and return the run immediately.

        Args:
            store_seconds: how long to wait for a store that another process keeps locked; after that the run is not
                recorded.

        Raises:
            UsageError: if it was started before.
            LrtuiError: while another run of this process is training, or if no thread can be started.
        """
        if self._thread.was_started:
            raise UsageError("this run has already been started; create a new Run")
        with exclusive(self):
            self._open_recording(store_seconds)
            try:
                self._thread.start()
            except RuntimeError as error:
                raise self._fail(f"no thread can be started: {error}") from None
        return self

    @property
    def title(self) -> str:
        """The run's name in messages."""
        return f"run #{self.number}"

    @property
    def id(self) -> RunId:
        """The run's id, which is also its id in the store."""
        return RunId(str(self.store_folder or ""), self.number)

    def send(self, command: Command | str) -> bool:
        """Send a command to the training thread; an event answers it.

        Training does not wait for the command: use the settings' `at` for a command at an exact step.

        Args:
            command: an object, or its text: `pause`, `lr*0.5`, `CosineAnnealingLR() from current` ...

        Returns:
            False if the run is over.

        Raises:
            NotationError: if the text is no command.
            UsageError: if it is neither a command nor text.
        """
        if not isinstance(command, (str, Command)):
            raise UsageError(f"send() takes one of lrtui's commands or its text, not {type(command).__name__}")
        if isinstance(command, str):
            from lrtui.schedules.command_notation import parse_command

            command = parse_command(command)
        if isinstance(command, RangeTest):
            self._range_feeds.append(command.feed)
        sent = self._inbox.send(command)
        if not sent:
            self._close_range_feeds()
        return sent

    def _close_range_feeds(self) -> None:
        """Close the feeds of range tests that had not started when the run ended."""
        for feed in self._range_feeds:
            feed.close(RangeEnd("failed", LrtuiError(f"{self.title} ended before the range test started")))

    def poll(self, limit: int = EVENTS_A_POLL) -> list[Event]:
        """Fold the events that have come since the last call into the state, and return them."""
        # Ctrl-C in between would leave a state that has lost events
        with interrupts_deferred():
            self.state.fold(self._history)
            self._history = ()
            events = self._feed.take(limit)
            self.has_begun = self.has_begun or any(isinstance(event, RunStarted) for event in events)
            self.state.fold(events)
            self._folded += events
        taken, self._folded = self._folded, []
        return taken

    def __iter__(self) -> Iterator[Event]:
        """Yield every event as it arrives, after folding it into the state; ends after RunFinished.

        Raises:
            UsageError: if the run was not started.
        """
        if not self._thread.was_started:
            raise UsageError("the run was not started: call start() first")
        while self.is_live:
            yield from self.poll(1)
            if not len(self._feed):
                self.join(POLL_SECONDS)

    def result(self) -> RunState:
        """Wait for the end, and return the final state.

        Raises:
            LrtuiError: if the run failed; says why. The state of a run that diverged or was stopped is returned.
            UsageError: if the run was not started.
        """
        for _ in self:
            pass
        if self.state.outcome is not None and self.state.outcome.outcome == "failed":
            raise self.error or LrtuiError(str(self.state.outcome.error))
        return self.state

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread to end, at most `seconds`; return whether it has ended."""
        return self._thread.join(seconds)

    def request_stop(self, because: str = "") -> None:
        """Ask the training thread to stop after the current step; returns immediately.

        Args:
            because: why, if the user did not ask for it.
        """
        self._inbox.send(Stop(because))

    @property
    def is_recorded(self) -> bool:
        """Whether the run is recorded in a store."""
        return self._recording is not None

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store that records it; None if nothing does."""
        recording = self._recording
        return recording.folder if recording is not None else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether its store has a checkpoint that it can be resumed from."""
        from lrtui.store.reader import has_checkpoint

        return (folder := self.store_folder) is not None and has_checkpoint(folder, self.number)

    @property
    def is_live(self) -> bool:
        """Whether the run is training, or has events that were not taken."""
        return self._thread.is_alive or len(self._feed) > 0 or len(self._folded) > 0

    def _open_recording(self, seconds: float) -> None:
        """Create or find the run's row in a store, which sets its number; from then on every event is recorded."""
        from lrtui.engine.recording import Recording
        from lrtui.store.location import store_folder

        plan = self._resume_plan
        folder = plan.folder if plan else store_folder(self.spec.store)
        if folder is None:
            return

        def warn(text: str) -> None:
            self._reporter.notice("store", text, level="warning")

        def lose(reason: str) -> None:
            self._inbox.send(Stop(reason))

        if plan is not None and not plan.is_branch:
            self._recording = Recording.of_resumed_run(plan, self._inbox.send, warn, seconds, lose)
            self._history = plan.history
        else:
            try:
                self._recording = Recording.of_new_run(folder, self.spec, self._inbox.send, warn, seconds, plan, lose)
            except StoreError as error:
                # training continues, and the screen shows its events
                warn(f"this run is not recorded: {error}")
                return
        self._feed.listener = self._recording.publish
        self.number = self._recording.run

    def _work(self) -> None:
        tune_thread(COMPUTING_SECONDS)
        try:
            self._train()
        finally:
            if (recording := self._recording) is not None:
                self.ended_at = time.monotonic()
                self.recording_error = recording.finish()
                self.ended_at = None
                is_new = self._resume_plan is None or self._resume_plan.is_branch
                if is_new and isinstance(self.error, UsageError) and not self._reporter.has_started:
                    recording.withdraw()
                    self._recording = None
                # the last events are stored now, so more of the earlier checkpoints can be removed
                if self._checkpoints is not None and not self.recording_error:
                    with suppress(OSError):
                        self._checkpoints.remove_old_files()
                self._checkpoints = None
            self._close_range_feeds()

    def _train(self) -> None:
        self._reporter.notice("importing", "importing PyTorch")
        try:
            import_torch()
            from lrtui.training.train import train

            tune_memory()
            stop_at_exit(self)
        except Exception as error:  # a broken installation can raise anything, and must be seen
            self._fail(f"PyTorch can't be imported: {error}")
            return
        plan = self._resume_plan
        if self._recording is not None:
            self._checkpoints = self._recording.checkpoint_policy(self.spec.checkpoint_seconds)
            if plan is None or plan.is_branch:
                self._recording.record_git_commit()
        resume_point = plan.resume_point if plan else None
        self.error = train(
            self.spec, self._inbox, self._reporter, self._task, checkpoints=self._checkpoints, resume_point=resume_point
        )

    def _fail(self, text: str) -> LrtuiError:
        """End the run before training could start; return the error."""
        finish_run(self._inbox, self._reporter, "failed", text)
        return LrtuiError(text)


def _name_of(task: Task) -> str:
    kind = task if isinstance(task, type) else type(task)
    return f"{kind.__module__}:{kind.__qualname__}"
