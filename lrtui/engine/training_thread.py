"""The thread that trains a run: imports torch, trains, and waits until the last events are stored."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lrtui.distributed.torchrun import is_first_rank
from lrtui.engine.interpreter_exit import stop_at_exit
from lrtui.engine.own_process import import_torch, is_own_process, tune_memory, tune_thread
from lrtui.engine.time_slice import COMPUTING_SECONDS
from lrtui.run.commands import Command, Hold, RangeTest, Stop
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.run.feed import FeedItem, LiveFeed
from lrtui.run.gate import Gate
from lrtui.run.inbox import Inbox
from lrtui.run.range_feed import RangeEnd, RangeFeed
from lrtui.run.spec import RunSpec
from lrtui.training.reporter import Reporter, finish_run

# the store, schedules and tasks take 60 ms to import, which the first frame does not wait for
if TYPE_CHECKING:
    from torch import nn

    from lrtui.distributed.process_group import ProcessGroup
    from lrtui.engine.recording import Recording
    from lrtui.engine.resume import ResumePlan
    from lrtui.tasks.task import Task
    from lrtui.training.checkpoint.policy import Checkpoints


HOLD_SECONDS = 0.01
"""Seconds between two looks whether the thread has ended instead of waiting."""


class TrainingThread:
    """Trains one run, records it, and publishes its events in `feed`.

    Args:
        number: number of the run if it is not recorded.
        spec: its settings.
        task: what is trained, instead of the task that the settings name.
        resume_plan: the stored run to resume or branch from.
    """

    def __init__(
        self,
        number: int,
        spec: RunSpec,
        task: Task | None,
        resume_plan: ResumePlan | None,
    ) -> None:
        self.number = number
        self.feed, self.inbox = LiveFeed(), Inbox()
        self.history: Sequence[FeedItem] = ()
        """The events of a resumed run before its checkpoint."""
        self.recording: Recording | None = None
        self.model: nn.Module | None = None
        """The model; None before it is built, and in a process of lrtui's own, where it is freed with the run."""
        self.error: LrtuiError | None = None
        self.recording_error = ""
        self.worker_lost = False
        """Whether the run ended because the process that trained it did."""
        self.ended_at: float | None = None
        self._spec, self._task, self._resume_plan = spec, task, resume_plan
        self._checkpoints: Checkpoints | None = None
        self._range_feeds: list[RangeFeed] = []
        self._holder: int | None = None
        self._group: ProcessGroup | None = None
        self._reporter = Reporter(self.feed, next_seq=resume_plan.next_seq if resume_plan else 0)
        # not a Textual worker, which is tied to a widget: leaving the screen must not wait for a batch to end
        self._thread = DaemonThread(self._work, f"training-{number}")

    @property
    def title(self) -> str:
        """The run's name in messages."""
        return f"run #{self.number}"

    def start(self) -> None:
        """Start the thread.

        Raises:
            LrtuiError: if no thread can be started.
        """
        try:
            self._thread.start()
        except RuntimeError as error:
            raise self._fail(f"no thread can be started: {error}") from None

    @property
    def was_started(self) -> bool:
        """Whether it was started."""
        return self._thread.was_started

    @property
    def is_alive(self) -> bool:
        """Whether it is running."""
        return self._thread.is_alive

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most `seconds`; return whether it is not running."""
        return self._thread.join(seconds)

    def request_stop(self, because: str) -> None:
        """Stop after the current step; returns immediately."""
        self.send(Stop(because))

    def send(self, command: Command) -> bool:
        """Send a command to the thread; return False if the run is over.

        Of several processes, rank 0 takes commands. A stop that another one is sent is passed on to it.
        """
        group = self._group
        if group is not None and not group.is_first and isinstance(command, Stop):
            group.ask_to_stop(command.because)
            return self.is_alive
        if isinstance(command, RangeTest):
            self._range_feeds.append(command.feed)
        is_sent = self.inbox.send(command)
        if not is_sent:
            self._close_range_feeds()
        return is_sent

    def own_model(self) -> nn.Module:
        """Return the model that is trained.

        Raises:
            UsageError: before it is built.
        """
        if self.model is None:
            raise UsageError(f"{self.title} has no model: it is built when training starts")
        return self.model

    def _close_range_feeds(self) -> None:
        """Close the feeds of range tests that had not started when the run ended."""
        for feed in self._range_feeds:
            feed.close(RangeEnd("failed", LrtuiError(f"{self.title} ended before the range test started")))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the thread wait between two steps within the block, with the caller's random states.

        Raises:
            UsageError: within such a block of the same thread.
        """
        self.check_not_held()
        gate = Gate()
        self.inbox.send(Hold(gate))
        try:
            while not gate.enter(HOLD_SECONDS) and self.is_alive:
                pass
            self._holder = threading.get_ident()
            yield
        finally:
            self._holder = None
            gate.leave()

    def check_not_held(self) -> None:
        """Check that the calling thread does not hold this one, which would never end.

        Raises:
            UsageError: if it does.
        """
        if self._holder == threading.get_ident() and self.is_alive:
            raise UsageError(f"{self.title} waits for the block of between_steps() to end: leave it first")

    def open_recording(self, seconds: float) -> None:
        """Create or find the run's row in a store, which sets its number; from then on every event is recorded.

        Args:
            seconds: how long to wait for a store that another process keeps locked.
        """
        from lrtui.engine.recording import Recording
        from lrtui.store.location import store_folder

        plan = self._resume_plan
        folder = plan.folder if plan else store_folder(self._spec.store)
        # of the processes that torchrun has started, rank 0 records the run
        if folder is None or not is_first_rank():
            return

        if plan is not None and not plan.is_branch:
            self.recording = Recording.of_resumed_run(plan, self.send, self._warn, seconds, self._lose)
            self.history = plan.history
        else:
            try:
                self.recording = Recording.of_new_run(
                    folder, self._spec, self.send, self._warn, seconds, plan, self._lose
                )
            except StoreError as error:
                # training continues, and the screen shows its events
                self._warn(f"this run is not recorded: {error}")
                return
        self.feed.listener = self.recording.publish
        self.number = self.recording.run

    def _warn(self, text: str) -> None:
        """Publish a warning about the store; called by any thread."""
        self._reporter.notice("store", text, level="warning")

    def _lose(self, reason: str) -> None:
        """Stop, as another process has the run now; called by the store's thread."""
        self.inbox.send(Stop(reason))

    def _work(self) -> None:
        try:
            self._train()
        finally:
            self._reporter.clock.pause()
            if (recording := self.recording) is not None:
                self.ended_at = time.monotonic()
                self.recording_error = recording.finish()
                self.ended_at = None
                if not self._is_kept:
                    recording.withdraw()
                    self.recording = None
                # the last events are stored now, so more of the earlier checkpoints can be removed
                if not self.recording_error:
                    with suppress(OSError):
                        self._remove_old_checkpoints()
                self._checkpoints = None
                recording.close()
            self._close_range_feeds()

    @property
    def _is_new(self) -> bool:
        """Whether the run is new in its store, as a branch is, and not resumed."""
        return self._resume_plan is None or self._resume_plan.is_branch

    @property
    def _is_kept(self) -> bool:
        """Whether the run stays in the store: not a new one whose settings were refused."""
        return not (self._is_new and isinstance(self.error, UsageError) and not self._reporter.has_started)

    def _remove_old_checkpoints(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.remove_old_files()

    def _train(self) -> None:
        tune_thread(COMPUTING_SECONDS)
        self._reporter.notice("importing", "importing PyTorch")
        try:
            import_torch()
            from lrtui.distributed.process_group import ProcessGroup
            from lrtui.training.random_state import own_random_states
            from lrtui.training.train import train
        except Exception as error:  # a broken installation can raise anything, and must be seen
            if (stop := self.inbox.find(Stop)) is not None:
                # modules can't be imported once the interpreter has begun to end
                finish_run(self.inbox, self._reporter, "stopped", command_id=stop.id)
                return
            self._fail(f"PyTorch can't be imported: {error}")
            return
        tune_memory()
        stop_at_exit(self)
        plan = self._resume_plan
        if self.recording is not None:
            self._checkpoints = self.recording.checkpoint_policy(self._spec.checkpoint_seconds)
            if self._is_new:
                self.recording.record_git_commit()
        try:
            group = self._group = ProcessGroup.of_environment()
        except Exception as error:  # torch.distributed raises RuntimeError and others
            self._fail(f"the processes that torchrun has started can't be connected: {error}")
            return
        with own_random_states():
            self.error = train(
                self._spec,
                self.inbox,
                self._reporter,
                self._task,
                checkpoints=self._checkpoints,
                resume_point=plan.resume_point if plan else None,
                take_model=self._take_model,
                group=group,
            )

    def _take_model(self, model: nn.Module) -> None:
        # the cockpit keeps its runs, but has no use for their models
        if not is_own_process():
            self.model = model

    def _fail(self, text: str) -> LrtuiError:
        """End the run before training could start; return the error."""
        finish_run(self.inbox, self._reporter, "failed", text)
        return LrtuiError(text)
