"""The voice of the training thread: numbers and dates each event and publishes it."""

from __future__ import annotations

import threading
from typing import Any

from lrtui.run.commands import Stop
from lrtui.run.events import CommandRefused, Event, Level, Notice, Outcome, RunFinished
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.training.clock import Clock


class Reporter:
    """Publishes events with `seq`, `step` and `seconds` filled in; any thread may tell something.

    Args:
        feed: where they go.
        next_seq: of the first one; a run that goes on counts on.
        step: optimizer steps done.
        seconds: on the run's clock.
    """

    def __init__(self, feed: LiveFeed, *, next_seq: int = 0, step: int = 0, seconds: float = 0.0) -> None:
        self._feed = feed
        self._next_seq = next_seq
        # a store that fails is told by the thread that writes it; the lock costs 0.1 µs an event
        self._lock = threading.Lock()
        self.go_on_from(step, seconds)

    def go_on_from(self, step: int, seconds: float) -> None:
        """Date what follows from here on; the clock is held."""
        self.step = step
        """Optimizer steps done; the loop counts it up."""
        self.clock = Clock(seconds)
        # the run begins with its first batch, not with the import of torch
        self.clock.hold()

    @property
    def last_seq(self) -> int:
        """Of the event told last."""
        return self._next_seq - 1

    def say(self, event_class: type[Event], **fields: Any) -> None:
        """Publish an event; `step` and `seconds` can be given where they are not those of this moment."""
        with self._lock:
            fields.setdefault("step", self.step)
            fields.setdefault("seconds", self.clock.seconds)
            self._feed.publish(event_class(seq=self._next_seq, **fields))
            self._next_seq += 1

    def notice(self, code: str, text: str, level: Level = "info") -> None:
        """Publish a Notice."""
        self.say(Notice, level=level, code=code, text=text)


def finish_run(
    inbox: Inbox, reporter: Reporter, outcome: Outcome, error: str | None = None, *, command_id: str = ""
) -> None:
    """Refuse the commands that are left, and publish the last event, which answers every Stop.

    Args:
        command_id: `id` of the Stop that ends the run.
    """
    for command in inbox.close():
        if not isinstance(command, Stop):
            reason = f"the run is over: {outcome}"
            reporter.say(CommandRefused, command=command.text, reason=reason, command_id=command.id)
    reporter.say(RunFinished, outcome=outcome, error=error, command_id=command_id)
