"""The events of a run on their way from the worker to the driver: batches of steps in columns, and checkpoint files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event as Signal
from threading import Lock
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

BATCH_BYTES = 1 << 20
"""Bytes of the longest batch of events, apart from a single event that is longer."""

FIRST_BATCH_BYTES = 1 << 16
"""Bytes of the first batch, which is sent before the driver has said how many it takes."""

BLOCK_BYTES, COLUMN_BYTES = 64, 16
"""Bytes that a block of steps and each of its columns take apart from their numbers."""

EVENT_BYTES = 1 << 10
"""Bytes that an event other than a step is counted as."""

STEPS_A_BLOCK = 1_000
"""Number of steps that wait for the driver as single events; more are kept in columns, in a fifth of the memory."""

EVENTS_AT_ONCE = 20_000
"""Maximum number of steps of a block that is made from single ones."""

COLLECT_SECONDS = 1.0
"""Seconds between two looks at the events that have come while the driver is busy."""

POLL_SECONDS = 0.05
"""Seconds between two batches of steps, unless the driver asks for longer ones; other events are sent immediately."""

CHUNK_BYTES = 1 << 20
"""Bytes of a checkpoint file in one message."""


class EventSender:
    """Sends the events of a feed, in a thread of its own.

    The next batch is sent once the driver asks for it. While the driver or its store is busy or stopped the events wait
    here, and training goes on; a second thread moves them from the feed into columns, also while a message is sent.

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
        self._pause, self._room = POLL_SECONDS, FIRST_BATCH_BYTES
        self._is_finishing = self._has_given_up = False
        self._waiting: deque[Event | StepBlock] = deque()
        """What was taken from the feed and is not sent yet; consecutive steps as blocks."""
        self._removed: deque[str] = deque()
        self._newest_file = ""
        feed.listener = self._note
        self._thread = DaemonThread(self._work, "event-sender")
        self._collecting, self._has_ended = Lock(), Signal()

    def start(self) -> None:
        """Start the threads."""
        self._thread.start()
        DaemonThread(self._collect_steps, "event-collector").start()

    def acknowledge(self, pause: float, room: int) -> None:
        """Note that the driver takes the next batch.

        Args:
            pause: seconds to wait before steps are sent again.
            room: number of bytes that it takes.
        """
        self._pause, self._room = max(POLL_SECONDS, pause), room
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
        # nothing else will come, so that the driver need not wait for whoever watches the run
        with suppress(ChannelError):
            self._channel.send(Message("ending"))
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
                self._collect()
                while self._waiting:
                    self._send_next()
                    self._collect()
                if is_finishing:
                    self._is_taken.wait()
                    return
        except ChannelError:
            # the thread that receives has noticed it as well, and stops the run
            return
        finally:
            self._has_ended.set()

    def _collect_steps(self) -> None:
        while not self._has_ended.wait(COLLECT_SECONDS):
            if len(self._feed) >= STEPS_A_BLOCK:
                self._collect()

    def _collect(self) -> None:
        with self._collecting:
            while events := self._feed.take(EVENTS_AT_ONCE):
                self._waiting.extend(_in_columns([event for event in events if self._keep(event)]))

    def _send_next(self) -> None:
        self._is_taken.wait()
        first = self._waiting[0]
        # of the checkpoints within epochs only the newest is kept
        if (
            self._sends_files
            and isinstance(first, CheckpointSaved)
            and (first.reason == "epoch" or first.path == self._newest_file)
        ):
            self._send_file(Path(first.path))
        # before the look whether to give up, which sets it again
        self._is_taken.clear()
        self._check_not_given_up()
        removed = [self._removed.popleft() for _ in range(len(self._removed))]
        self._channel.send(events_message(self._next_batch(), removed))

    def _next_batch(self) -> list[Event | StepBlock]:
        """Return the next events that the driver has room for, at least one; a file is sent before its event."""
        batch: list[Event | StepBlock] = []
        room = min(self._room, BATCH_BYTES)
        while self._waiting:
            item = self._waiting[0]
            if batch and self._sends_files and isinstance(item, CheckpointSaved):
                break
            fitting = _steps_within(room, item) if isinstance(item, StepBlock) else room // EVENT_BYTES
            length = len(item) if isinstance(item, StepBlock) else 1
            fitting = min(max(fitting, 0 if batch else 1), length)
            if isinstance(item, StepBlock) and 0 < fitting < length:
                batch.append(item.part(0, fitting))
                self._waiting[0] = item.part(fitting, length)
            if fitting < length:
                break
            batch.append(self._waiting.popleft())
            room -= _size(item)
        return batch

    def _check_not_given_up(self) -> None:
        # the kernel may still accept what nobody will take
        if self._has_given_up:
            raise ChannelError("the channel has ended")

    def _send_file(self, path: Path) -> None:
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


def events_message(events: Sequence[Event | StepBlock], removed: Sequence[str] = ()) -> Message:
    """Return a message with these events, consecutive steps as columns.

    Args:
        removed: names of checkpoint files that are not needed any more.
    """
    items: list[dict[str, Any]] = []
    columns: list[NDArray[Any]] = []
    for block in _in_columns(events):
        if isinstance(block, Event):
            items.append(event_to_json(block, exact=True))
            continue
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


def _in_columns(events: Sequence[Event | StepBlock]) -> Iterator[Event | StepBlock]:
    """Yield the events, consecutive single steps as blocks."""
    steps: list[StepDone] = []
    for event in events:
        if steps and not (isinstance(event, StepDone) and _continues(event, steps[-1])):
            yield block_of(steps)
            steps = []
        if isinstance(event, StepDone):
            steps.append(event)
        else:
            yield event
    if steps:
        yield block_of(steps)


def _continues(step: StepDone, before: StepDone) -> bool:
    return step.step == before.step + 1 and len(step.lrs) >= len(before.lrs)


def _size(item: Event | StepBlock) -> int:
    """Return how many bytes the item takes in a message, about."""
    if not isinstance(item, StepBlock):
        return EVENT_BYTES
    columns = 5 + len(item.lrs) + len(item.metrics)
    return BLOCK_BYTES + sum(map(len, item.metrics)) + columns * (COLUMN_BYTES + 8 * len(item))


def _steps_within(room: int, block: StepBlock) -> int:
    """Return how many steps of the block take that many bytes; 0 or less if there is no room for any."""
    empty = _size(block.part(0, 0))
    return (room - empty) // ((_size(block) - empty) // len(block))
