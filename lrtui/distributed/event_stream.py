"""The events of a run on their way from the worker to the driver: batches of steps in columns, and checkpoint files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Event as Signal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrtui.distributed.channel import Channel, ChannelError
from lrtui.distributed.message import Message, MessageError
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.event_json import event_from_json, event_to_json
from lrtui.run.events import CheckpointSaved, Event, StepDone
from lrtui.run.feed import FeedItem, LiveFeed, StepBlock
from lrtui.run.step_blocks import block_of

EVENTS_A_BATCH = 20_000

POLL_SECONDS = 0.05
"""Seconds between two batches of steps, unless the driver asks for longer ones; other events are sent immediately."""

CHUNK_BYTES = 1 << 20
"""Bytes of a checkpoint file in one message."""


class EventSender:
    """Sends the events of a feed, in a thread of its own.

    The next batch is sent once the driver has taken the one before. While it is busy or stopped the events wait in the
    feed, and training goes on.

    Args:
        feed: of the run.
        channel: to the driver.
        sends_files: whether checkpoint files are sent, each before the event that it was saved. A file that no longer
            exists by then was replaced by a newer one.
        keep: returns whether an event is to be sent.
    """

    def __init__(
        self, feed: LiveFeed, channel: Channel, *, sends_files: bool, keep: Callable[[Event], bool] = lambda _: True
    ) -> None:
        self._feed, self._channel, self._sends_files, self._keep = feed, channel, sends_files, keep
        self._has_news, self._is_taken = Signal(), Signal()
        self._is_taken.set()
        self._pause = POLL_SECONDS
        self._is_finishing = self._has_given_up = False
        self._removed: deque[str] = deque()
        self._newest_file = ""
        feed.listener = self._note
        self._thread = DaemonThread(self._work, "event-sender")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def acknowledge(self, pause: float) -> None:
        """Note that the driver has taken the last batch.

        Args:
            pause: seconds to wait before steps are sent again.
        """
        self._pause = max(POLL_SECONDS, pause)
        self._is_taken.set()

    def note_removed(self, name: str) -> None:
        """Send the name of a checkpoint file that is not needed any more, with the next events."""
        self._removed.append(name)

    def give_up(self) -> None:
        """Send nothing any more: the channel has ended."""
        self._has_given_up = self._is_finishing = True
        self._is_taken.set()
        self._has_news.set()

    def finish(self) -> None:
        """Wait until the driver has taken all events, or the channel has ended."""
        self._is_finishing = True
        self._has_news.set()
        self._thread.join()

    def _note(self, event: Event | StepBlock) -> None:
        if not isinstance(event, StepDone | StepBlock):
            if isinstance(event, CheckpointSaved):
                self._newest_file = event.path
            self._has_news.set()

    def _work(self) -> None:
        try:
            while True:
                self._has_news.wait(self._pause)
                self._has_news.clear()
                is_finishing = self._is_finishing
                while events := self._feed.take(EVENTS_A_BATCH):
                    self._send([event for event in events if self._keep(event)])
                if is_finishing:
                    self._is_taken.wait()
                    return
        except ChannelError:
            # the thread that receives has noticed it as well, and stops the run
            return

    def _send(self, events: Sequence[Event]) -> None:
        start = 0
        for index, event in enumerate(events):
            if self._sends_files and isinstance(event, CheckpointSaved):
                self._send_batch(events[start:index])
                start = index
                # of the checkpoints within epochs only the newest is kept
                if event.reason == "epoch" or event.path == self._newest_file:
                    self._send_file(Path(event.path))
        self._send_batch(events[start:])

    def _send_batch(self, events: Sequence[Event]) -> None:
        if events:
            self._is_taken.wait()
            # before the look whether to give up, which sets it again
            self._is_taken.clear()
            self._check_not_given_up()
            removed = [self._removed.popleft() for _ in range(len(self._removed))]
            self._channel.send(events_message(events, removed))

    def _check_not_given_up(self) -> None:
        # the kernel may still accept what nobody will take
        if self._has_given_up:
            raise ChannelError("the channel has ended")

    def _send_file(self, path: Path) -> None:
        self._is_taken.wait()
        try:
            for message in file_messages(path):
                self._check_not_given_up()
                self._channel.send(message)
        except OSError:
            # removed meanwhile, or unreadable: the driver drops a part of a file when another one follows
            return


def file_messages(path: Path) -> Iterator[Message]:
    """Yield the messages with the content of a file.

    Raises:
        OSError: if it can't be read.
    """
    with path.open("rb") as file:
        is_last = False
        while not is_last:
            chunk = file.read(CHUNK_BYTES)
            is_last = len(chunk) < CHUNK_BYTES
            yield Message("file", {"name": path.name, "last": is_last}, (np.frombuffer(chunk, "|u1"),))


# -- events in a message ----------------------------------------------------------------------------------------------


def events_message(events: Sequence[Event], removed: Sequence[str] = ()) -> Message:
    """Return a message with these events, runs of steps as columns.

    Args:
        removed: names of checkpoint files that are not needed any more.
    """
    items: list[dict[str, Any]] = []
    columns: list[NDArray[Any]] = []
    for steps in _runs_of_steps(events):
        if isinstance(steps, Event):
            items.append(event_to_json(steps, exact=True))
            continue
        block = block_of(steps)
        items.append({"steps": block.first_step, "groups": len(block.lrs), "metrics": list(block.metrics)})
        if block.added:
            items[-1]["added"] = list(block.added.items())
        columns += (block.seqs, block.epochs, block.batches, block.seconds, block.loss)
        columns += (*block.lrs, *block.metrics.values())
    return Message("events", {"items": items, "removed": list(removed)}, tuple(columns))


def events_of(message: Message) -> list[FeedItem]:
    """Return the events of a message, consecutive steps as blocks.

    Raises:
        MessageError: if it has none.
    """
    found: list[FeedItem] = []
    columns = iter(message.columns)
    try:
        for item in message.body["items"]:
            found.append(_block_from(item, columns) if "steps" in item else event_from_json(item))
    except (KeyError, TypeError, ValueError, StopIteration) as error:
        raise MessageError(f"not the events of a run: {error}") from None
    return found


def _block_from(item: dict[str, Any], columns: Iterator[NDArray[Any]]) -> StepBlock:
    seqs, epochs, batches, seconds, loss = (next(columns) for _ in range(5))
    return StepBlock(
        first_step=item["steps"],
        seqs=seqs,
        epochs=epochs,
        batches=batches,
        seconds=seconds,
        loss=loss,
        lrs=tuple([next(columns) for _ in range(item["groups"])]),
        metrics={name: next(columns) for name in item["metrics"]},
        added={int(group): int(index) for group, index in item.get("added", ())},
    )


def _runs_of_steps(events: Sequence[Event]) -> Iterator[Event | list[StepDone]]:
    """Yield the events, consecutive steps as one list."""
    steps: list[StepDone] = []
    for event in events:
        if steps and not (isinstance(event, StepDone) and _continues(event, steps[-1])):
            yield steps
            steps = []
        if isinstance(event, StepDone):
            steps.append(event)
        else:
            yield event
    if steps:
        yield steps


def _continues(step: StepDone, before: StepDone) -> bool:
    return step.step == before.step + 1 and len(step.lrs) >= len(before.lrs)
