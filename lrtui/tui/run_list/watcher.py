"""Reads run sources about once a second in a separate thread: their runs, and the events of those on screen."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import LrtuiError
from lrtui.run.feed import FeedItem, Rewritten, StepBlock
from lrtui.run.source import RunId, RunSource, RunSummary
from lrtui.run.spec import RunSpec

if TYPE_CHECKING:
    from lrtui.run.feed import Feed

INTERVAL = 1.0
"""Seconds between two readings."""

SHORTEST_INTERVAL = 0.05
"""Seconds from one reading to the next one when a source has something new sooner."""

STEPS_PER_READING = 60_000
"""Maximum number of events of a run per reading: all that a log returns one by one, folded in some 20 ms."""

MAX_PAUSE = 64
"""Maximum number of readings for which a run is skipped after its events could not be read."""


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to read.

    Args:
        spec: settings that determine the sources; None for no source.
        opened: runs by ticket; their feeds keep their position.
        followed: tickets of the runs whose new events are read.
    """

    spec: RunSpec | None = None
    opened: Mapping[int, RunId] = field(default_factory=dict)
    followed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class NewEvents:
    """What a run has published since the last reading.

    Args:
        from_start: whether these are its first events, which replace all earlier ones.
    """

    from_start: bool
    events: tuple[FeedItem, ...]

    @property
    def replaces_all(self) -> bool:
        """Whether they replace all events that were returned before."""
        return bool(self.events) and isinstance(first := self.events[0], Rewritten) and first.seq < 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read.

    Args:
        runs: all runs of all sources; None if nothing has changed.
        trouble: why something can't be read; empty if everything can.
        events: new events by ticket.
    """

    runs: Mapping[RunId, RunSummary] | None
    trouble: str
    events: Mapping[int, NewEvents]


class SourceWatcher:
    """The thread that reads the sources.

    Args:
        open_given: returns sources that are read besides those of the settings.
    """

    def __init__(self, open_given: Callable[[], Sequence[RunSource]] | None = None) -> None:
        self.readings: deque[Reading] = deque()
        """Readings that have not been taken yet, oldest first."""
        self.sources: Mapping[str, RunSource] = {}
        """The open sources by name; replaced, never changed."""
        self.given: frozenset[str] = frozenset()
        """Names of the sources that are not those of the settings."""
        self._open_given = open_given
        self._given_sources: Sequence[RunSource] = ()
        self._request = WatchRequest()
        self._opened_for: RunSpec | None = None
        self._reads_on = False
        """Whether a reading ended before everything was looked at."""
        self._open_trouble: Sequence[str] = ()
        self._runs: dict[str, Sequence[RunSummary]] = {}
        self._feeds: dict[int, Feed] = {}
        self._feed_trouble: dict[int, str] = {}
        self._failures: dict[int, int] = {}
        self._pauses: dict[int, int] = {}
        self._woken, self._requested = threading.Event(), threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="sources", daemon=True)

    def start(self) -> None:
        """Start reading; does nothing from the second call on. Until a request has settings, the runs of the sources
        that are not those of the settings are read once, and then no more than the first events of runs.
        """
        if self._thread.ident is None:
            self._thread.start()

    def request(self, request: WatchRequest) -> None:
        """Change what is read, starting immediately."""
        self._request = request
        self._requested.set()
        self._woken.set()

    def close(self) -> None:
        """Stop reading; returns immediately."""
        self._closed = True
        self._requested.set()
        self._woken.set()

    def _work(self) -> None:
        trouble = ""
        while not self._closed:
            self._woken.clear()
            self._requested.clear()
            started = time.monotonic()
            reading = self._read(self._request, trouble)
            if reading.runs is not None or reading.events or reading.trouble != trouble:
                self.readings.append(reading)
                trouble = reading.trouble
            if self._request.spec is None:
                self._requested.wait()
                continue
            if self._reads_on or any(map(_is_full, reading.events.values())):
                continue
            self._woken.wait(INTERVAL)
            # a source may have something new all the time
            self._requested.wait(max(0.0, started + SHORTEST_INTERVAL - time.monotonic()))
        for source in self.sources.values():
            source.close()

    def _read(self, request: WatchRequest, last_trouble: str) -> Reading:
        # the sources of the settings may take a while to open, and the others to read on: what has already been read of
        # a run is wanted on the screen
        unread = request.followed - self._feeds.keys() - self._failures.keys()
        self._reads_on = True
        if (first := self._read_events(request, unread)) or (request.spec is None and self.sources):
            return Reading(None, last_trouble, first)
        has_changed = False
        if self._open_given is not None:
            self._use(self._given())
            self._reads_on = request.spec is not None
        else:
            has_changed, self._reads_on = request.spec != self._opened_for and self._open(request.spec), False
        trouble = list(self._open_trouble)
        for name, source in self.sources.items():
            try:
                runs = source.runs()
            except Exception as error:  # a source of another package can raise anything
                trouble.append(_describe(error) if isinstance(error, LrtuiError) else f"{name}: {_describe(error)}")
                continue
            if source.trouble:
                trouble.append(source.trouble)
            if runs is not self._runs.get(name):
                self._runs[name], has_changed = runs, True
        events = self._read_events(request, request.followed)
        trouble += [self._feed_trouble[ticket] for ticket in request.followed if ticket in self._feed_trouble]
        found = {run.id: run for runs in self._runs.values() for run in runs} if has_changed else None
        return Reading(found, next(iter(trouble), ""), events)

    def _open(self, spec: RunSpec | None) -> bool:
        """Open the sources for these settings; return whether a source was closed."""
        # imported here, so that sources don't delay the first frame
        from lrtui.plugins import open_sources

        self._opened_for = spec
        found, self._open_trouble = open_sources(spec) if spec is not None else ([], [])
        return self._use([*found, *self._given()])

    def _use(self, opened: Sequence[RunSource]) -> bool:
        """Read these sources from now on; return whether a source was closed."""
        sources = {source.name: source for source in opened}
        gone = self.sources.keys() - sources.keys()
        for name, source in self.sources.items():
            # a source that is already open is kept, since its feeds have positions; the new object is closed instead
            unused = source if name in gone else sources[name]
            sources |= {} if name in gone else {name: source}
            if unused is not sources.get(name):
                unused.close()
        for name in sources.keys() - self.sources.keys():
            # a source of another package can raise anything; then it is read once a second
            with suppress(Exception):
                sources[name].watch(self._woken.set)
        self._runs = {name: runs for name, runs in self._runs.items() if name in sources}
        self.sources = sources
        return bool(gone)

    def _given(self) -> Sequence[RunSource]:
        """Return the sources that are not those of the settings, which are opened once."""
        if self._open_given is not None:
            open_given, self._open_given = self._open_given, None
            self._given_sources = open_given()
            self.given = frozenset(source.name for source in self._given_sources)
        return self._given_sources

    def _read_events(self, request: WatchRequest, tickets: Collection[int]) -> dict[int, NewEvents]:
        by_ticket: tuple[dict[int, Any], ...] = (self._feeds, self._feed_trouble, self._failures, self._pauses)
        for entries in by_ticket:
            for ticket in entries.keys() - request.opened.keys():
                del entries[ticket]
        events: dict[int, NewEvents] = {}
        for ticket in tickets:
            run = request.opened[ticket]
            source = self.sources.get(run.source)
            if source is None:
                continue
            if self._pauses.get(ticket):
                self._pauses[ticket] -= 1
                continue
            from_start = ticket not in self._feeds
            try:
                if from_start:
                    self._feeds[ticket] = source.feed(run.key)
                new = self._feeds[ticket].take(STEPS_PER_READING)
            except Exception as error:  # an event that this version does not know, or any error of another package
                self._feeds.pop(ticket, None)
                self._feed_trouble[ticket] = f"the events of run {run} can't be read: {_describe(error)}"
                self._failures[ticket] = self._failures.get(ticket, 0) + 1
                self._pauses[ticket] = min(2 ** self._failures[ticket], MAX_PAUSE)
                continue
            self._feed_trouble.pop(ticket, None)
            if new:
                events[ticket] = NewEvents(from_start, tuple(new))
        return events


def _is_full(new: NewEvents) -> bool:
    """Return whether there may be more events than one reading takes."""
    return sum(len(part) if isinstance(part, StepBlock) else 1 for part in new.events) >= STEPS_PER_READING


def _describe(error: Exception) -> str:
    return str(error) if isinstance(error, LrtuiError) else f"{type(error).__name__}: {error}"
