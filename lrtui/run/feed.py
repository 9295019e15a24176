"""Where events come out, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from lrtui.run.events import Event

if TYPE_CHECKING:
    from lrtui.run.blocks import Story


class Feed(Protocol):
    """A source of one run's story, in order: live, stored, or played from a list."""

    def take(self, limit: int) -> Sequence[Story]:
        """Return up to `limit` events and blocks that have not been taken yet, the oldest first; never blocks."""
        ...


class ListFeed:
    """A feed of events that are all there already.

    Args:
        story: oldest first.
    """

    def __init__(self, story: Iterable[Story]) -> None:
        self._story = deque(story)

    def take(self, limit: int) -> list[Story]:
        """Return up to `limit` parts that have not been taken yet, the oldest first."""
        return [self._story.popleft() for _ in range(min(limit, len(self._story)))]


class LiveFeed:
    """The queue between the training thread and the thread that draws or prints.

    Publishing neither blocks nor raises. A deque and a timer cost the trainer 0.2 µs an event, a message per step
    a hundred times that. One thread publishes, one takes.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self.listener: Callable[[Event], None] | None = None
        """Is told of every event as well; neither blocks nor raises."""

    def publish(self, event: Event) -> None:
        """Append an event."""
        self._events.append(event)
        if self.listener is not None:
            self.listener(event)

    def take(self, limit: int) -> list[Event]:
        """Return up to `limit` events that have not been taken yet, the oldest first; never blocks."""
        events = self._events
        return [events.popleft() for _ in range(min(limit, len(events)))]

    def __len__(self) -> int:
        return len(self._events)
