"""Publishes the events of a run, numbered and timed."""

from __future__ import annotations

import threading
from typing import Any

from lrtui.run.commands import Command, Hold, Stop
from lrtui.run.events import CommandRefused, Event, Level, Notice, Outcome, RunFinished, RunStarted, StepDone
from lrtui.run.feed import LiveFeed, StepBlock
from lrtui.run.inbox import Inbox
from lrtui.training.clock import Clock


class Reporter:
    """Publishes events with `seq`, `step` and `seconds` filled in; any thread may use it.

    Args:
        feed: receives the events.
        next_seq: sequence number of the first event; a resumed run continues its numbers.
    """

    def __init__(self, feed: LiveFeed, *, next_seq: int = 0) -> None:
        self.feed = feed
        self._next_seq = next_seq
        # the store's writer thread reports failures, too; the lock costs 0.1 µs per event
        self._lock = threading.Lock()
        self.has_started = False
        """Whether RunStarted was published."""
        self.step = 0
        """Optimizer steps done; the loop counts it up."""
        # training time starts with the first batch, not with the import of torch
        self.clock = Clock()

    def resume_at(self, step: int, seconds: float) -> None:
        """Continue from this step and time; the clock is paused."""
        self.step, self.clock = step, Clock(seconds)

    def continue_after(self, last: Event | StepBlock) -> None:
        """Continue after what another process has published; the clock is paused."""
        event = last.step(len(last) - 1) if isinstance(last, StepBlock) else last
        with self._lock:
            self._next_seq = event.seq + 1
            self.resume_at(event.step + isinstance(event, StepDone), event.seconds)

    @property
    def last_seq(self) -> int:
        """`seq` of the last published event."""
        return self._next_seq - 1

    def publish(self, event_class: type[Event], **fields: Any) -> None:
        """Publish an event; `step` and `seconds` default to this moment's."""
        with self._lock:
            fields.setdefault("step", self.step)
            if "seconds" not in fields:
                fields["seconds"] = self.clock.seconds
            self.feed.publish(event_class(seq=self._next_seq, **fields))
            self._next_seq += 1
            self.has_started = self.has_started or event_class is RunStarted

    def notice(self, code: str, text: str, level: Level = "info") -> None:
        """Publish a Notice."""
        self.publish(Notice, level=level, code=code, text=text)


def finish_run(
    inbox: Inbox, reporter: Reporter, outcome: Outcome, error: str | None = None, *, command_id: str = ""
) -> None:
    """Refuse the remaining commands, and publish the last event, which answers every Stop.

    Args:
        command_id: `id` of the Stop command that ends the run.
    """
    for command in inbox.close():
        if not isinstance(command, (Stop, Hold)):
            refuse(reporter, command, outcome)
    reporter.publish(RunFinished, outcome=outcome, error=error, command_id=command_id)


def refuse(reporter: Reporter, command: Command, outcome: Outcome) -> None:
    """Refuse a command, as the run is over."""
    reason = f"the run is over: {outcome}"
    reporter.publish(CommandRefused, command=command.text, reason=reason, command_id=command.id)
