"""What the worker of a run sends to the process that has started it, and the end of the connection to it."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.distributed.channel import Channel
from lrtui.distributed.driver_port import worker_count
from lrtui.distributed.event_stream import events_of
from lrtui.distributed.launcher import Launcher
from lrtui.distributed.message import Message
from lrtui.engine.held_batches import MAX_UNWRITTEN_BYTES, HeldBatches
from lrtui.engine.received_files import ReceivedFiles
from lrtui.engine.worker_ranks import RANKS
from lrtui.run.commands import Command, Stop
from lrtui.run.events import CheckpointSaved, CommandAnswer, Event, Notice, RunFinished, RunStarted
from lrtui.run.feed import StepBlock
from lrtui.training.reporter import Reporter, refuse

if TYPE_CHECKING:
    from lrtui.engine.recording import Recording

PAUSE_SECONDS = 0.001
"""Seconds between two batches of steps of a worker for each worker that this process has."""


class WorkerMessages:
    """Takes the messages of a run's worker: publishes its events, and writes its checkpoint files.

    It is called by the thread that reads what all workers send. The run's own thread waits for `news`.

    Args:
        launcher: has started the worker.
        reporter: of the run; its feed gets the events.
        withholds_failure: whether the end of a failed run is published by the run's own thread, which finds out how all
            processes have ended.
        warn: takes a warning, and its code.
        note_finished: called with the run's last event before it is published; sends the worker nothing more.
    """

    def __init__(
        self,
        launcher: Launcher,
        reporter: Reporter,
        *,
        withholds_failure: bool,
        warn: Callable[[str, str], object],
        note_finished: Callable[[RunFinished], object],
    ) -> None:
        self._launcher, self._reporter, self._withholds_failure = launcher, reporter, withholds_failure
        self._warn, self._note_finished = warn, note_finished
        self._recording: Recording | None = None
        self.news = threading.Event()
        """Set when there is something that the run's thread waits for."""
        self.channel: Channel | None = None
        """The channel to the worker, once it has connected."""
        self.end_reason: str | None = None
        """Why the channel has ended."""
        self.refusal = ""
        """Why the connection of the worker was refused."""
        self.files: ReceivedFiles | None = None
        """Takes checkpoint files, if the worker does not see the folder of the run."""
        self.last: Event | StepBlock | None = None
        """What the worker has sent last of the run's events."""
        self.finished: RunFinished | None = None
        self.end: dict[str, Any] = {}
        """How the worker has ended: its error, and the checkpoints that are not needed any more."""
        self.failed_rank = ""
        """Which of several processes has ended, and how."""
        self.is_rank_killed = False
        self.unanswered: dict[str, Command] = {}
        """Commands that were sent to the worker and are not answered, by id."""
        self.unrecorded: list[tuple[str, str]] = []
        """Warnings that were sent to the worker and have not come back among the events: codes and texts."""
        self._ranks: Channel | None = None
        self._acknowledging = threading.Lock()
        self._held = HeldBatches()
        self._is_unacknowledged = False
        """Whether the worker waits until this process has room for its next batch."""
        self._is_ending = False
        """Whether the worker has trained, so that nothing else will come than what it has."""
        self._waits_since = 0.0

    def record_in(self, recording: Recording) -> None:
        """Set the recording of the run, before the worker connects."""
        self._recording = recording
        recording.listen(self._note_settled)

    def is_withheld(self, event: RunFinished) -> bool:
        """Return whether the run's thread publishes the event."""
        return self._withholds_failure and event.outcome == "failed"

    def take_channel(self, channel: Channel, role: str) -> None:
        """Take the channel to the worker, or to the process that has started its ranks."""
        if role == RANKS:
            self._ranks = channel
            return
        self.channel = channel
        self.news.set()

    def take_end(self, reason: str, role: str) -> None:
        """Take the end of the channel."""
        if role == RANKS:
            return
        if self.channel is None:
            self.refusal = reason
        if self.files is not None:
            self.files.close()
        self.end_reason = reason
        self.news.set()

    def take(self, message: Message, role: str) -> None:
        """Take a message of the worker."""
        match message.kind:
            case "events":
                self._take_events(message)
            case "file" if self.files is not None:
                self._take_file(self.files, message)
            case "failure" if self._ranks is not None:
                self.failed_rank, self.is_rank_killed = str(message.body["text"]), bool(message.body["is_killed"])
                self._ranks.send(Message("leave"))
            case "ending":
                self._note_ending()
            case "end":
                self.end = dict(message.body)
                assert self.channel is not None
                self.channel.send(Message("leave"))
            case _:
                raise ValueError(f"unexpected {message.kind}")

    def _take_events(self, message: Message) -> None:
        recording = self._recording
        for item in events_of(message):
            if isinstance(item, StepBlock):
                self._reporter.feed.publish(item)
                self.last = item
            elif isinstance(item, Event):
                self._publish(item)
        if recording is not None and (removed := message.body.get("removed")):
            recording.remove_checkpoints(removed)
        last_seq = -1 if self.last is None else _last_seq(self.last)
        with self._acknowledging:
            self._held.add(message.size, recording.published if recording is not None else 0, last_seq)
            self._is_unacknowledged = True
        self.acknowledge()

    def acknowledge(self) -> None:
        """Ask the worker for its next batch, if it waits for that and this process has room for it.

        Raises:
            ChannelError: if the worker has ended.
        """
        recording, workers = self._recording, worker_count(self._launcher.host)
        with self._acknowledging:
            room = self._room(workers) if self._is_unacknowledged else 0
            if not room:
                return
            self._is_unacknowledged = False
            self._waits_since = time.monotonic()
        pause = PAUSE_SECONDS * workers
        if recording is not None:
            # a store that takes long is given fewer and longer batches
            pause = max(pause, recording.seconds_to_write)
        stored = recording.stored_seq if recording is not None else sys.maxsize
        assert self.channel is not None
        self.channel.send(Message("taken", {"stored": stored, "pause": pause, "room": room}))

    def _room(self, workers: int) -> int:
        recording = self._recording
        self._held.note_settled(sys.maxsize if recording is None else recording.settled)
        self._held.note_unread(self._reporter.feed.first_seq)
        if self.finished is not None:
            return MAX_UNWRITTEN_BYTES
        if self._is_ending and recording is not None and recording.is_stuck(time.monotonic() - self._waits_since):
            # the run has to end; the recording drops what it can't hold, and says so
            return MAX_UNWRITTEN_BYTES
        return self._held.room(workers, waits_for_reader=not self._is_ending)

    def _note_settled(self) -> None:
        if self._is_unacknowledged:
            self.news.set()

    def _note_ending(self) -> None:
        self._waits_since, self._is_ending = time.monotonic(), True
        if self._recording is not None:
            self._recording.try_again()
        self.news.set()

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
        if isinstance(event, CheckpointSaved) and self.files is not None:
            event = replace(event, path=str(self.files.folder / Path(event.path).name))
        if isinstance(event, CommandAnswer):
            self.unanswered.pop(event.command_id, None)
        if isinstance(event, Notice) and (event.code, event.text) in self.unrecorded:
            self.unrecorded.remove((event.code, event.text))
        self.last = event
        if isinstance(event, RunFinished):
            self._note_finished(event)
            self.finished = event
            if not self.is_withheld(event):
                self.publish_end(event)
            return
        self._reporter.feed.publish(event)

    def publish_end(self, event: RunFinished) -> None:
        """Publish the run's last event, and after it what reached the worker too late."""
        self._reporter.feed.publish(event)
        self.publish_unrecorded()
        for command in self.unanswered.values():
            # the last event answers a Stop
            if not isinstance(command, Stop):
                refuse(self._reporter, command, event.outcome)
        self.unanswered.clear()

    def publish_unrecorded(self) -> None:
        """Publish the warnings that the worker has not recorded."""
        while self.unrecorded:
            code, text = self.unrecorded.pop(0)
            self._reporter.notice(code, text, level="warning")


def _last_seq(item: Event | StepBlock) -> int:
    return int(item.seqs[-1]) if isinstance(item, StepBlock) else item.seq
