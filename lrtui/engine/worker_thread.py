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
from typing import TYPE_CHECKING
from uuid import uuid4

from lrtui.distributed.channel import CONNECTION, Channel, ChannelError
from lrtui.distributed.driver_port import expect_worker, forget_worker
from lrtui.distributed.event_stream import file_messages
from lrtui.distributed.launcher import Launcher, WorkerProcess
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.distributed.message import Message
from lrtui.engine.received_files import ReceivedFiles
from lrtui.engine.training_thread import TrainingThread
from lrtui.engine.worker_messages import WorkerMessages
from lrtui.engine.worker_request import WorkerRequest, error_from_json
from lrtui.run.command_json import command_to_json
from lrtui.run.commands import Command, RangeTest, Stop
from lrtui.run.errors import CheckpointError, LrtuiError, UsageError
from lrtui.run.events import RunFinished
from lrtui.run.range_feed import RangeEnd
from lrtui.run.spec import RunSpec
from lrtui.training.reporter import finish_run

if TYPE_CHECKING:
    from torch import nn

    from lrtui.engine.resume import ResumePlan

POLL_SECONDS = 1.0
"""Seconds between two looks whether the worker's process is running."""

GREETING_SECONDS = 0.5
"""Seconds after the end of a worker in which its connection may still be noted, or that it was refused."""

END_SECONDS = 30.0
"""Seconds that a worker may take to end after its run, or after its channel has ended."""


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
        self._channel: Channel | None = None
        """The channel to the worker, from the request to the end of the run."""
        self._was_recalled = False
        """Whether the run was stopped before it had a worker."""
        self._messages = WorkerMessages(
            self._launcher,
            self._reporter,
            withholds_failure=spec.nproc > 1,
            warn=self._warn,
            note_finished=self._note_finished,
        )

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
                self._messages.news.set()
                return is_sent
            self._messages.unanswered[command.id] = command
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
            # the worker numbers the run's events; if it has ended, this process records the warning at the end
            self._messages.unrecorded.append((code, text))
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
        if self.recording is not None:
            self._messages.record_in(self.recording)
            if self._is_new:
                self.recording.record_git_commit()
        try:
            environment = expect_worker(host, name, self._messages)
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
        messages = self._messages
        assert messages.channel is not None
        try:
            with suppress(ChannelError):
                self._send_request(messages.channel)
        except CheckpointError:
            with self._lock:
                self._channel = None
            # it removes its folder before it ends
            messages.channel.shut_down()
            _wait_for_end(worker)
            raise
        ended_at = math.inf
        while messages.end_reason is None:
            messages.news.wait(POLL_SECONDS)
            messages.news.clear()
            # the end of the channel is noticed by the thread that reads
            with suppress(ChannelError):
                messages.acknowledge()
            if messages.finished is not None:
                ended_at = min(ended_at, time.monotonic())
                if time.monotonic() - ended_at > END_SECONDS:
                    # leaving a process group may hang
                    worker.end()
            if not worker.is_alive and messages.end_reason is None and not messages.news.wait(POLL_SECONDS):
                # the machine may be gone without closing the connection
                messages.channel.shut_down()
        with self._lock:
            self._channel = None
        _wait_for_end(worker)
        if messages.finished is None:
            how = messages.failed_rank or worker.failure()
            self._note_lost(how if how and messages.end_reason.startswith(CONNECTION) else messages.end_reason)
            return
        if messages.end.get("error") is not None:
            self.error = error_from_json(messages.end["error"])
        if messages.is_withheld(messages.finished):
            if messages.failed_rank:
                # rank 0 only knows that the process has ended
                self.worker_lost = messages.is_rank_killed
                self.error = LrtuiError(messages.failed_rank)
                messages.finished = replace(messages.finished, error=messages.failed_rank)
            messages.publish_end(messages.finished)

    def _wait_for_channel(self, worker: WorkerProcess) -> bool:
        """Wait until the worker has connected; return whether it has. Otherwise the run has ended."""
        messages, noted = self._messages, ""
        while messages.channel is None:
            if (stop := self.inbox.find(Stop)) is not None:
                finish_run(self.inbox, self._reporter, "stopped", command_id=stop.id)
                self._was_recalled = True
                return False
            if messages.refusal:
                self.error = self._fail(messages.refusal)
                return False
            if not worker.is_alive and not messages.news.wait(GREETING_SECONDS):
                self._note_lost(worker.failure() or "it ended before it had connected")
                return False
            if (waiting_for := worker.waiting_for) and waiting_for != noted:
                noted = waiting_for
                self._reporter.notice("worker", f"waiting: {waiting_for}")
            messages.news.wait(POLL_SECONDS)
            messages.news.clear()
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
            self._messages.files = ReceivedFiles(recording.checkpoints)
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
                self._messages.unanswered[command.id] = command
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
        if self._messages.last is not None:
            self._reporter.continue_after(self._messages.last)
        self._messages.publish_unrecorded()
        for command in self._messages.unanswered.values():
            self.inbox.send(command)
        finish_run(self.inbox, self._reporter, "failed", text)
        self.error = LrtuiError(text)

    def _note_finished(self, event: RunFinished) -> None:
        """Send the worker nothing more; called by the thread that reads what workers send."""
        with self._lock:
            self._channel = None
            self.inbox.close()
            # warnings of the store may follow
            self._reporter.continue_after(event)

    @property
    def _is_kept(self) -> bool:
        return super()._is_kept and not (self._is_new and self._was_recalled)

    def _remove_old_checkpoints(self) -> None:
        if (recording := self.recording) is not None and not self.recording_error:
            recording.remove_checkpoints(self._messages.end.get("removed", ()))


def _wait_for_end(worker: WorkerProcess) -> None:
    """Wait for the end of the worker's process, and kill it if that takes too long."""
    until, pause = time.monotonic() + END_SECONDS, 0.02
    # asking whether it is alive may take a while on another machine
    while worker.is_alive and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, POLL_SECONDS)
    if worker.is_alive:
        worker.end()
