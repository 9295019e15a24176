"""The thread of a run that is trained in another process: starts a worker, and takes its events."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from lrtui.distributed.channel import CONNECTION, Channel, ChannelError
from lrtui.distributed.driver_port import expect_worker, forget_worker, worker_count
from lrtui.distributed.event_stream import events_of, file_messages
from lrtui.distributed.launcher import Launcher, WorkerProcess
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.distributed.message import Message
from lrtui.engine.received_files import ReceivedFiles
from lrtui.engine.training_thread import TrainingThread
from lrtui.engine.worker_ranks import RANKS
from lrtui.engine.worker_request import WorkerRequest, error_from_json
from lrtui.run.command_json import command_to_json
from lrtui.run.commands import Command, RangeTest, Stop
from lrtui.run.errors import CheckpointError, LrtuiError, UsageError
from lrtui.run.events import CheckpointSaved, CommandAnswer, Event, RunFinished, RunStarted, StepDone
from lrtui.run.feed import StepBlock
from lrtui.run.range_feed import RangeEnd
from lrtui.run.spec import RunSpec
from lrtui.training.reporter import Reporter, finish_run

if TYPE_CHECKING:
    from torch import nn

    from lrtui.engine.resume import ResumePlan

POLL_SECONDS = 1.0
"""Seconds between two looks whether the worker's process is running."""

GREETING_SECONDS = 0.5
"""Seconds after the end of a worker in which its connection may still be noted, or that it was refused."""

END_SECONDS = 30.0
"""Seconds that a worker may take to end after its run, or after its channel has ended."""

PAUSE_SECONDS = 0.001
"""Seconds between two batches of steps of a worker for each worker that this process has."""


class WorkerThread(TrainingThread):
    """Has a worker train one run, records it, and publishes its events in `feed`.

    Args:
        number: as for `TrainingThread`.
        spec: likewise.
        resume_plan: likewise.
        launcher: starts the worker; None for a process of this machine.
    """

    def __init__(self, number: int, spec: RunSpec, resume_plan: ResumePlan | None, launcher: Launcher | None) -> None:
        super().__init__(number, spec, None, resume_plan)
        self._launcher: Launcher = launcher or LocalLauncher()
        self._has_own_launcher = launcher is None
        self._lock = threading.Lock()
        # what other threads have noted, and this one waits for
        self._news = threading.Event()
        self._arrived: Channel | None = None
        self._ranks: Channel | None = None
        self._channel: Channel | None = None
        """The channel to the worker, from the request to the end of the run."""
        self._end_reason: str | None = None
        self._refusal = ""
        self._was_recalled = False
        """Whether the run was stopped before it had a worker."""
        self._end: dict[str, Any] = {}
        self._files: ReceivedFiles | None = None
        self._last: Event | StepBlock | None = None
        self._finished: RunFinished | None = None
        self._failed_rank = ""
        """Which of several processes has ended, and how."""
        self._is_rank_killed = False
        self._unanswered: dict[str, Command] = {}

    # -- what differs for whoever has the run -------------------------------------------------------------------------

    def send(self, command: Command) -> bool:
        """Send a command to the worker; return False if the run is over."""
        if isinstance(command, RangeTest):
            error = UsageError(f"{self._elsewhere}: run a range test on a fresh model, after the run")
            command.feed.close(RangeEnd("failed", error))
            return True
        with self._lock:
            if self._channel is None:
                is_sent = self.inbox.send(command)
                self._news.set()
                return is_sent
            self._unanswered[command.id] = command
            channel = self._channel
        # if the worker has ended, the end of the run answers it
        with suppress(ChannelError):
            channel.send(Message("command", command_to_json(command)))
        return True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raise a UsageError: this process does not have the model."""
        raise UsageError(f"{self._elsewhere}, so that this one can't make it wait between two steps")
        yield

    def own_model(self) -> nn.Module:
        """Raise a UsageError: this process does not have the model."""
        raise UsageError(f"{self._elsewhere}, which has its model: load a checkpoint of it instead")

    @property
    def _elsewhere(self) -> str:
        return f"{self.title} is trained in another process"

    def _warn(self, text: str, code: str = "store") -> None:
        with self._lock:
            channel = self._channel
            if channel is None:
                self._reporter.notice(code, text, level="warning")
                return
        # the worker numbers the run's events
        with suppress(ChannelError):
            channel.send(Message("notice", {"code": code, "text": text, "level": "warning"}))

    def _lose(self, reason: str) -> None:
        with self._lock:
            channel = self._channel
        if channel is None:
            self.send(Stop(reason))
            return
        with suppress(ChannelError):
            channel.send(Message("lost", {"reason": reason}))

    # -- this thread --------------------------------------------------------------------------------------------------

    def _train(self) -> None:
        name, host = uuid4().hex, self._launcher.host
        if self.recording is not None and self._is_new:
            self.recording.record_git_commit()
        try:
            environment = expect_worker(host, name, self)
            try:
                worker = self._launcher.start(self._arguments, environment, f"run-{self.number}")
                self._follow(worker)
            finally:
                forget_worker(host, name)
                if self._has_own_launcher:
                    self._launcher.close()
        except LrtuiError as error:
            self.error = self._fail(str(error))

    @property
    def _arguments(self) -> list[str]:
        processes = self._spec.nproc
        return ["-m", "lrtui.engine.worker"] if processes == 1 else ["-m", "lrtui.engine.worker_ranks", str(processes)]

    def _follow(self, worker: WorkerProcess) -> None:
        """Take part in the run from the start of its worker to the end."""
        if not self._wait_for_channel(worker):
            worker.end()
            return
        assert self._arrived is not None
        try:
            with suppress(ChannelError):
                self._send_request(self._arrived)
        except CheckpointError:
            with self._lock:
                self._channel = None
            # it removes its folder before it ends
            self._arrived.shut_down()
            _wait_for_end(worker)
            raise
        ended_at = math.inf
        while self._end_reason is None:
            self._news.wait(POLL_SECONDS)
            self._news.clear()
            if self._finished is not None:
                ended_at = min(ended_at, time.monotonic())
                if time.monotonic() - ended_at > END_SECONDS:
                    # leaving a process group may hang
                    worker.end()
            if not worker.is_alive and self._end_reason is None and not self._news.wait(POLL_SECONDS):
                # the machine may be gone without closing the connection
                self._arrived.shut_down()
        with self._lock:
            self._channel = None
        _wait_for_end(worker)
        if self._finished is None:
            how = self._failed_rank or worker.failure()
            self._note_lost(how if how and self._end_reason.startswith(CONNECTION) else self._end_reason)
            return
        if self._end.get("error") is not None:
            self.error = error_from_json(self._end["error"])
        if self._is_held(self._finished):
            if self._failed_rank:
                # rank 0 only knows that the process has ended
                self.worker_lost = self._is_rank_killed
                self.error = LrtuiError(self._failed_rank)
                self._finished = replace(self._finished, error=self._failed_rank)
            self.feed.publish(self._finished)

    def _wait_for_channel(self, worker: WorkerProcess) -> bool:
        """Wait until the worker has connected; return whether it has. Otherwise the run has ended."""
        noted = ""
        while self._arrived is None:
            if (stop := self.inbox.find(Stop)) is not None:
                finish_run(self.inbox, self._reporter, "stopped", command_id=stop.id)
                self._was_recalled = True
                return False
            if self._refusal:
                self.error = self._fail(self._refusal)
                return False
            if not worker.is_alive and not self._news.wait(GREETING_SECONDS):
                self._note_lost(worker.failure() or "it ended before it had connected")
                return False
            if (waiting_for := worker.waiting_for) and waiting_for != noted:
                noted = waiting_for
                self._reporter.notice("worker", f"waiting: {waiting_for}")
            self._news.wait(POLL_SECONDS)
            self._news.clear()
        return True

    def _send_request(self, channel: Channel) -> None:
        """Send what is to be trained, and the commands that have come since.

        Raises:
            ChannelError: if the worker has ended.
            CheckpointError: if a checkpoint that has to be sent can't be read.
        """
        plan, recording = self._resume_plan, self.recording
        shares_files = self._launcher.shares_files
        point = plan.resume_point if plan is not None else None
        if recording is not None and not shares_files:
            self._files = ReceivedFiles(recording.checkpoints)
        with self._lock:
            request = WorkerRequest(
                spec=self._spec,
                number=self.number,
                next_seq=self._reporter.last_seq + 1,
                resume_point=point,
                checkpoints=recording.checkpoints if recording is not None else None,
                run_uid=recording.uid if recording is not None else "",
                directory=Path.cwd() if shares_files else None,
                path=tuple(os.path.abspath(path) for path in sys.path) if shares_files else (),
                sends_files=not shares_files,
            )
            channel.send(Message("request", request.to_json()))
            self._channel = channel
            while (command := self.inbox.take()) is not None:
                self._unanswered[command.id] = command
                channel.send(Message("command", command_to_json(command)))
        # without the lock, since it may take minutes
        if point is not None and not shares_files:
            try:
                for message in file_messages(point.checkpoint):
                    channel.send(message)
            except OSError as error:
                raise CheckpointError(f"can't read {point.checkpoint}: {error.strerror or error}") from None

    def _note_lost(self, reason: str) -> None:
        """End the run, as its worker has ended."""
        self.worker_lost = True
        text = f"its worker ended: {reason}"
        if self._last is not None:
            self._reporter = _reporter_after(self._last, self._reporter)
        for command in self._unanswered.values():
            self.inbox.send(command)
        finish_run(self.inbox, self._reporter, "failed", text)
        self.error = LrtuiError(text)

    @property
    def _is_kept(self) -> bool:
        return super()._is_kept and not (self._is_new and self._was_recalled)

    def _remove_old_checkpoints(self) -> None:
        if (recording := self.recording) is not None and not self.recording_error:
            recording.remove_checkpoints(self._end.get("removed", ()))

    # -- the thread that reads what workers send ----------------------------------------------------------------------

    def take_channel(self, channel: Channel, role: str) -> None:
        """Take the channel to the worker, or to the process that has started its ranks."""
        if role == RANKS:
            self._ranks = channel
            return
        self._arrived = channel
        self._news.set()

    def take_end(self, reason: str, role: str) -> None:
        """Take the end of the channel."""
        if role == RANKS:
            return
        if self._arrived is None:
            self._refusal = reason
        if self._files is not None:
            self._files.close()
        self._end_reason = reason
        self._news.set()

    def take(self, message: Message, role: str) -> None:
        """Take a message of the worker."""
        match message.kind:
            case "events":
                self._take_events(message)
            case "file" if self._files is not None:
                self._take_file(self._files, message)
            case "failure" if self._ranks is not None:
                self._failed_rank, self._is_rank_killed = str(message.body["text"]), bool(message.body["is_killed"])
                self._ranks.send(Message("leave"))
            case "end":
                self._end = dict(message.body)
                assert self._arrived is not None
                self._arrived.send(Message("leave"))
            case _:
                raise ValueError(f"unexpected {message.kind}")

    def _take_events(self, message: Message) -> None:
        recording = self.recording
        for item in events_of(message):
            if isinstance(item, StepBlock):
                self.feed.publish(item)
                self._last = item
            elif isinstance(item, Event):
                self._publish(item)
        if recording is not None and (removed := message.body.get("removed")):
            recording.remove_checkpoints(removed)
        assert self._arrived is not None
        pause = PAUSE_SECONDS * worker_count(self._launcher.host)
        if recording is not None:
            # a store that takes long is given fewer and longer batches
            pause = max(pause, recording.seconds_to_write)
        stored = recording.stored_seq if recording is not None else sys.maxsize
        self._arrived.send(Message("taken", {"stored": stored, "pause": pause}))

    def _take_file(self, files: ReceivedFiles, message: Message) -> None:
        try:
            files.take(message)
        except OSError as error:
            self._warn(
                f"no checkpoint can be written into {files.folder}: {error.strerror or error}. Training continues; "
                "earlier checkpoints are kept",
                "checkpoint",
            )

    def _publish(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._reporter.has_started = True
        if isinstance(event, CheckpointSaved) and self._files is not None:
            event = replace(event, path=str(self._files.folder / Path(event.path).name))
        if isinstance(event, CommandAnswer):
            self._unanswered.pop(event.command_id, None)
        self._last = event
        if isinstance(event, RunFinished):
            with self._lock:
                self._channel = None
                self.inbox.close()
                # warnings of the store may follow
                self._reporter = _reporter_after(event, self._reporter)
            self._finished = event
            if self._is_held(event):
                return
        self.feed.publish(event)

    def _is_held(self, event: RunFinished) -> bool:
        """Return whether the event is published only when it is known how all processes have ended."""
        return self._spec.nproc > 1 and event.outcome == "failed"


def _reporter_after(last: Event | StepBlock, before: Reporter) -> Reporter:
    """Return a reporter that continues after the last event that the worker has sent."""
    event = last.step(len(last) - 1) if isinstance(last, StepBlock) else last
    reporter = Reporter(before.feed, next_seq=event.seq + 1)
    reporter.resume_at(event.step + isinstance(event, StepDone), event.seconds)
    reporter.has_started = before.has_started
    return reporter


def _wait_for_end(worker: WorkerProcess) -> None:
    """Wait for the end of the worker's process, and kill it if that takes too long."""
    until, pause = time.monotonic() + END_SECONDS, 0.02
    # asking whether it is alive may take a while on another machine
    while worker.is_alive and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    if worker.is_alive:
        worker.end()
