"""The voice of the training thread: numbers and dates each event and publishes it."""

from __future__ import annotations

from typing import Any

from lrtui.run.events import Event, Level, Notice
from lrtui.run.feed import LiveFeed
from lrtui.training.clock import Clock


class Reporter:
    """Publishes events with `seq`, `step` and `seconds` filled in."""

    def __init__(self, feed: LiveFeed) -> None:
        self.clock = Clock()
        # the run begins with its first batch, not with the import of torch
        self.clock.hold()
        self.step = 0
        """Optimizer steps done; the loop counts it up."""
        self._feed = feed
        self._next_seq = 0

    def say(self, event_class: type[Event], **fields: Any) -> None:
        """Publish an event; `step` and `seconds` can be given where they are not those of this moment."""
        fields.setdefault("step", self.step)
        fields.setdefault("seconds", self.clock.seconds)
        self._feed.publish(event_class(seq=self._next_seq, **fields))
        self._next_seq += 1

    def notice(self, code: str, text: str, level: Level = "info") -> None:
        """Publish a Notice."""
        self.say(Notice, level=level, code=code, text=text)
