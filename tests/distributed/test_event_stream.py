"""Events on their way from a worker to its driver: nothing is lost, and a slow driver does not slow training."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from recorded_runs import recorded_run
from waiting import wait_for

from lrtui.distributed.channel import Channel, ChannelError
from lrtui.distributed.event_stream import CHUNK_BYTES, STEPS_A_BLOCK, EventSender, events_message, events_of
from lrtui.distributed.message import Message
from lrtui.run.events import CheckpointSaved, Event, RunFinished, StepDone
from lrtui.run.feed import LiveFeed, StepBlock


def odd_run() -> list[Event]:
    """A run whose numbers are not all finite, whose metrics come and go, and which gets a group."""
    odd = [math.nan, math.inf, -math.inf, 1e308, 5e-324, 0.1 + 0.2]
    events = recorded_run(330, nudge_at=130)
    for index, event in enumerate(events):
        if isinstance(event, StepDone):
            value = odd[event.step % len(odd)]
            metrics = (
                {"norm": abs(value), "some": 1.5} if event.step % 3 else {"late": value} if event.step > 60 else {}
            )
            lrs = (*event.lrs, value) if event.step >= 145 else event.lrs
            events[index] = replace(event, loss=value, lrs=lrs, metrics=metrics)
    return events


def without_nan(event: Event) -> Event:
    """Return the event as it is to be received: a metric that is NaN is the same as none."""
    if not isinstance(event, StepDone):
        return event
    return replace(event, metrics={name: value for name, value in event.metrics.items() if not math.isnan(value)})


def unpacked(messages: Sequence[Message]) -> list[Event]:
    events: list[Event] = []
    for message in messages:
        if message.kind == "events":
            for item in events_of(message):
                assert isinstance(item, (StepBlock, Event))
                events += [item.step(i) for i in range(len(item))] if isinstance(item, StepBlock) else [item]
    return events


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_come_back_exactly(size: int) -> None:
    events = odd_run()
    messages = [events_message(events[start : start + size]) for start in range(0, len(events), size)]
    back = unpacked([Message.of_bytes(message.to_bytes()) for message in messages])
    # NaN is not equal to itself, but its text is
    assert [repr(without_nan(event)) for event in back] == [repr(without_nan(event)) for event in events]


class Driver:
    """A channel to a driver that acknowledges a batch of events some time after it was sent.

    Args:
        seconds: how long that takes; None for never.
        room: bytes that the next one may have.
    """

    def __init__(self, seconds: float | None = 0.0, room: int = 1 << 20) -> None:
        self.room = room
        self.seconds, self.messages = seconds, list[Message]()
        self.is_gone = False
        self.sender: EventSender | None = None
        self._arrived = threading.Semaphore(0)
        threading.Thread(target=self._acknowledge, daemon=True).start()

    def send(self, message: Message) -> None:
        if self.is_gone:
            raise ChannelError("gone")
        self.messages.append(message)
        if message.kind == "events":
            self._arrived.release()

    def _acknowledge(self) -> None:
        while True:
            self._arrived.acquire()
            while self.seconds is None:
                if self.is_gone:
                    return
                time.sleep(0.002)
            time.sleep(self.seconds)
            assert self.sender is not None
            self.sender.acknowledge(0.0, self.room)


def sending(driver: Driver, feed: LiveFeed, **more: Any) -> EventSender:
    """Return a sender that has been started."""
    driver.sender = EventSender(feed, cast("Channel", driver), **{"sends_files": False, **more})
    driver.sender.start()
    return driver.sender


def test_a_driver_that_sleeps_gets_everything_in_longer_batches() -> None:
    events, feed, driver = odd_run(), LiveFeed(), Driver(seconds=0.1)
    sender = sending(driver, feed)
    began = time.monotonic()
    for event in events:
        feed.publish(event)
        time.sleep(0.0002)
    sender.finish()
    seconds = time.monotonic() - began
    assert [event.seq for event in unpacked(driver.messages)] == list(range(len(events)))
    # one at a time, and each is acknowledged after a tenth of a second
    assert len(driver.messages) < 3 + seconds / 0.1


def test_a_driver_that_is_stopped_does_not_hold_up_training() -> None:
    feed, driver = LiveFeed(), Driver(seconds=None)
    sender = sending(driver, feed)
    events = odd_run()
    feed.publish(events[0])
    wait_for(lambda: driver.messages)
    for event in events[1:]:
        feed.publish(event)
    time.sleep(0.2)
    assert [message.kind for message in driver.messages] == ["events"]
    driver.seconds = 0.0
    sender.finish()
    assert [event.seq for event in unpacked(driver.messages)] == list(range(len(events)))


def test_steps_that_wait_for_the_driver_are_kept_in_columns_and_sent_in_batches_that_it_has_room_for() -> None:
    feed, driver = LiveFeed(), Driver(seconds=None, room=4096)
    sender = sending(driver, feed)
    events = recorded_run(20_000)
    feed.publish(events[0])
    wait_for(lambda: driver.messages)
    for event in events[1:]:
        feed.publish(event)
    # what is left in the feed are single events
    wait_for(lambda: len(feed) < STEPS_A_BLOCK)
    assert [message.kind for message in driver.messages] == ["events"]
    driver.seconds = 0.0
    sender.finish()
    assert [event.seq for event in unpacked(driver.messages)] == list(range(len(events)))
    sizes = [len(message.to_bytes()) for message in driver.messages if message.kind == "events"]
    assert 2048 < max(sizes) <= 4096


def test_a_step_with_more_metrics_than_there_is_room_for_is_sent_alone() -> None:
    feed, driver = LiveFeed(), Driver(room=4096)
    sender = sending(driver, feed)
    metrics = {f"metric {index}": float(index) for index in range(1000)}
    events = [replace(event, metrics=metrics) for event in recorded_run(20) if isinstance(event, StepDone)]
    for event in events:
        feed.publish(event)
    sender.finish()
    assert unpacked(driver.messages) == events
    assert len(driver.messages) > 10


def test_a_driver_that_is_gone_ends_the_thread() -> None:
    feed, driver = LiveFeed(), Driver()
    sender = sending(driver, feed)
    driver.is_gone = True
    feed.publish(odd_run()[0])
    sender.finish()
    # also while it waits for an acknowledgement
    feed, driver = LiveFeed(), Driver(seconds=None)
    sender = sending(driver, feed)
    feed.publish(odd_run()[0])
    wait_for(lambda: driver.messages)
    sender.give_up()
    # the kernel accepts more, although nobody will take it
    for event in odd_run()[1:]:
        feed.publish(event)
    sender.finish()


def saved(seq: int, path: Path, reason: str) -> CheckpointSaved:
    return CheckpointSaved(seq=seq, step=seq, seconds=0.0, path=str(path), reason=reason)


def test_checkpoint_files_are_sent_before_their_events(tmp_path: Path) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 256) * 2
    sizes = {"a": len(content), "b": 10, "c": 0, "d": CHUNK_BYTES}
    paths = {name: tmp_path / name for name in (*sizes, "gone")}
    for name, size in sizes.items():
        paths[name].write_bytes(content[:size])
    feed, driver = LiveFeed(), Driver(seconds=None)
    reasons = {"a": "epoch", "b": "time", "gone": "epoch", "c": "epoch", "d": "time"}
    events: list[Event] = [saved(seq, paths[name], reason) for seq, (name, reason) in enumerate(reasons.items())]
    feed.publish(RunFinished(seq=9, step=9, seconds=0.0, outcome="done"))
    sender = sending(driver, feed, sends_files=True)
    wait_for(lambda: driver.messages)
    for event in events:
        feed.publish(event)
    sender.note_removed("x")
    driver.seconds = 0.0
    sender.finish()
    received: dict[str, bytes] = {}
    complete: list[str] = []
    for message in driver.messages[1:]:
        if message.kind == "file":
            name = message.body["name"]
            received[name] = received.get(name, b"") + message.columns[0].tobytes()
            complete += [name] * message.body["last"]
        else:
            for event in unpacked([message]):
                assert isinstance(event, CheckpointSaved)
                name = Path(event.path).name
                # b was replaced by a newer one before it was sent
                assert name in complete or name in ("b", "gone")
    assert received == {name: content[: sizes[name]] for name in ("a", "c", "d")}
    assert "x" in [name for message in driver.messages for name in message.body.get("removed", ())]
