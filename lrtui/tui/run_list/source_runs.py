"""The runs of sources in the cockpit: all runs as summaries, and those that are drawn with their events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Protocol

from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.feed import FeedItem
from lrtui.run.source import LogDescription, RunId, RunSource, RunSummary, race_of_name
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.store.location import store_folder
from lrtui.tui.run_list.watcher import NewEvents, Reading, SourceWatcher, WatchRequest

MAX_OPENED = 8
"""Maximum number of runs whose events are kept after they have left the screen, so that they reappear without delay."""

READING = "reading its events"
"""What a run waits for until its first events have been read."""


class ShownRun(Protocol):
    """The interface of a run for panes, either of this process or of a source."""

    @property
    def number(self) -> int:
        """Identifies the run in this process."""
        ...

    @property
    def spec(self) -> RunSpec:
        """Its settings."""
        ...

    @property
    def state(self) -> RunState:
        """The fold of its events."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it is training now."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether it is in a store."""
        ...

    @property
    def store_folder(self) -> Path | None:
        """The folder of its store, or None."""
        ...

    def send(self, command: Command, /) -> object:
        """Send it a command; returns immediately, with False if no event of the run will answer."""
        ...


class SourceRun:
    """A run of a source; used by the UI thread.

    Args:
        number: identifies it in this process.
        summary: its summary from its source.
        folder: folder of the store that it is in, or None.
        source: takes its commands.
        answers: receives the answers to its commands.
    """

    def __init__(
        self, number: int, summary: RunSummary, folder: Path | None, source: RunSource | None, answers: deque[str]
    ) -> None:
        self.number, self.summary, self.store_folder = number, summary, folder
        self._source, self._answers = source, answers
        self.state = RunState(waiting_for=READING)
        self.was_replaced = False
        """Whether all its events have been replaced: the first ones of a large log are a sample."""

    @property
    def is_recorded(self) -> bool:
        """Whether it is in a store."""
        return self.store_folder is not None

    @property
    def spec(self) -> RunSpec:
        """Its settings, or the defaults if they are unknown."""
        started = self.state.started
        return started.spec if started else self.summary.spec or RunSpec(schedule=self.summary.schedule)

    @property
    def is_live(self) -> bool:
        """Whether it is training now."""
        return self.summary.is_live and self.state.is_live

    def fold(self, new: NewEvents) -> None:
        """Fold new events into the state."""
        if new.from_start:
            # panes detect changes by the version, which must keep increasing
            self.state = RunState(version=self.state.version)
        self.state.fold(map(self._with_known_settings, new.events))
        self.update(self.summary)

    def _with_known_settings(self, event: FeedItem) -> FeedItem:
        """Return the event with the summary's settings, or its schedule, if it has none of its own."""
        if not isinstance(event, RunStarted) or event.settings_known or event.spec.is_attached:
            return event
        if self.summary.spec is not None:
            return replace(event, spec=self.summary.spec, settings_known=True)
        return replace(event, spec=replace(event.spec, schedule=self.summary.schedule))

    def update(self, summary: RunSummary) -> None:
        """Take a new summary. Only the summary shows that a process died or a log ended without a last event, that
        such a log is growing again, and that a process is about to resume a run that had ended.
        """
        self.summary = summary
        if (outcome := self.state.outcome) is not None:
            status = "waiting" if summary.state == "waiting" else outcome.outcome
            if status != self.state.status:
                self.state.status = status
                self.state.version += 1
            return
        is_log = self.store_folder is None and self.state.started is not None
        has_ended = self.state.is_live and (summary.state == "lost" or (is_log and not summary.is_live))
        continues = summary.is_live and self.state.outcome is None and not self.state.is_live
        if has_ended or continues:
            self.state.status = summary.state
            self.state.version += 1

    def send(self, command: Command) -> bool:
        """Send a command in a thread; return False, since a message reports the answer."""
        label = self.summary.id
        if self.summary.read_only or self._source is None:
            self._answers.append(f"{label}: {self.summary.read_only or 'this run takes no commands.'}")
        elif self.is_live:
            self._answers.append(f"{label}: sent to its process: {command.text} …")
            threading.Thread(target=self._send, args=(self._source, command), name="command", daemon=True).start()
        return False

    def _send(self, source: RunSource, command: Command) -> None:
        try:
            answer = source.send(self.summary.id.key, command)
        except LrtuiError as error:
            answer = f"{command.text}: {error}"
        self._answers.append(f"{self.summary.id} {answer}")


def label_of(run: ShownRun) -> str:
    """Return what the user calls a run: "#3", or a log's name."""
    return str(run.summary.id) if isinstance(run, SourceRun) else f"#{run.number}"


def log_of(run: ShownRun) -> LogDescription | None:
    """Return the log that a run's values are read from; None if there is none."""
    return run.summary.log if isinstance(run, SourceRun) else None


def names_epochs(run: ShownRun) -> bool:
    """Return whether the run itself counts epochs; in a log that does not, each test ends one."""
    return run.state.started is None or run.state.started.names_epochs


def moment_of(run: ShownRun, test: EvalDone) -> str:
    """Return when a test was, as "epoch 3", or as its step if the run does not count epochs."""
    return f"epoch {test.epoch}" if names_epochs(run) else f"step {test.step:,}"


def key_of(run: ShownRun) -> int | str:
    """Return what follows the word "run" in a message: the run's number, or a log's name."""
    return run.summary.id.key if isinstance(run, SourceRun) else run.number


def race_of(run: ShownRun) -> int:
    """Return the number of the race that a run belongs to; 0 if it belongs to none."""
    return run.summary.race if isinstance(run, SourceRun) else race_of_name(run.spec.name)


class SourceRuns:
    """The runs of all sources; used by the UI thread.

    The screen identifies a run by a number: its id in the store that records new runs; runs of other sources get
    negative numbers, so that the ids of two sources can't collide.

    Args:
        watcher: reads the sources; it may have been started.
    """

    def __init__(self, watcher: SourceWatcher) -> None:
        self.summaries: Mapping[int, RunSummary] = {}
        """All runs by number."""
        self.newest_race = 0
        """Number of the newest race of the store; 0 if there is none."""
        self.trouble = ""
        """Why something can't be read; empty if everything can."""
        self.version = 0
        """Increases with every change of the summaries or the trouble."""
        self._has_opened = self._is_started = False
        self._spec: RunSpec | None = None
        self._folder: Path | None = None
        self._taken: Collection[int] = ()
        self._numbers: dict[RunId, int] = {}
        self._next_numbers = count(-1, -1)
        self._opened: dict[int, tuple[int, SourceRun]] = {}
        """Ticket and run by number, most recently shown last; a run that is opened again gets a new one, so that late
        events for the old one are dropped."""
        self._tickets = count(1)
        self._followed: frozenset[int] = frozenset()
        self._answers: deque[str] = deque()
        self._request = WatchRequest()
        self._watcher = watcher

    @property
    def runs(self) -> dict[int, SourceRun]:
        """The runs whose events are followed, by number."""
        return {run.number: run for ticket, run in self._opened.values() if ticket in self._followed}

    @property
    def given(self) -> dict[int, RunSummary]:
        """The runs of the sources that are not those of the settings, by number."""
        given = self._watcher.given
        return {number: run for number, run in self.summaries.items() if run.id.source in given}

    def start(self) -> None:
        """Start reading the sources, if they aren't read yet; a watcher that was started before reads on."""
        self._watcher.start()
        if not self._is_started:
            self._is_started = True
            self._update_request()

    def close(self) -> None:
        """Stop reading; returns immediately."""
        self._watcher.close()

    def follow(self, spec: RunSpec, numbers: Iterable[int], taken: Collection[int] = ()) -> None:
        """Follow the events of these runs, as far as a source has them.

        Args:
            spec: settings that determine the sources.
            taken: numbers of runs of this process that are not in the store of these settings.
        """
        self._taken = taken
        if spec != self._spec:
            self._spec, self._folder = spec, store_folder(spec.store)
        wanted = [number for number in numbers if number in self.summaries]
        for number in wanted:
            if number not in self._opened:
                self._opened[number] = (next(self._tickets), self._open(number))
            # moved to the end: the most recently shown runs come last
            self._opened[number] = self._opened.pop(number)
        for number in list(self._opened)[: max(0, len(self._opened) - max(MAX_OPENED, len(wanted)))]:
            del self._opened[number]
        self._followed = frozenset(self._opened[number][0] for number in wanted)
        self._update_request()

    def _update_request(self) -> None:
        request = WatchRequest(
            self._spec if self._is_started else None,
            {ticket: run.summary.id for ticket, run in self._opened.values()},
            self._followed,
        )
        if request != self._request:
            self._request = request
            self._watcher.request(request)

    def _open(self, number: int) -> SourceRun:
        summary = self.summaries[number]
        folder = self._folder if summary.id.source == str(self._folder) else None
        return SourceRun(number, summary, folder, self._watcher.sources.get(summary.id.source), self._answers)

    def poll(self) -> bool:
        """Process what has been read since the last call; return whether there was anything."""
        readings = [self._watcher.readings.popleft() for _ in range(len(self._watcher.readings))]
        return any([self._take(reading) for reading in readings])

    def _take(self, reading: Reading) -> bool:
        has_changed = reading.runs is not None or reading.trouble != self.trouble
        if has_changed:
            self.trouble = reading.trouble
            self.version += 1
        if reading.runs is not None:
            self.summaries = {self._number(run_id): summary for run_id, summary in reading.runs.items()}
            own = [summary for summary in self.summaries.values() if summary.id.source == str(self._folder)]
            self.newest_race = max((summary.race for summary in own), default=0)
            self._opened = {number: entry for number, entry in self._opened.items() if number in self.summaries}
            for number, (_, run) in self._opened.items():
                run.update(self.summaries[number])
        by_ticket = dict(self._opened.values())
        for ticket, new in reading.events.items():
            if ticket in by_ticket:
                run = by_ticket[ticket]
                run.fold(new)
                self._has_opened |= new.from_start or (new.replaces_all and not run.was_replaced)
                run.was_replaced |= new.replaces_all
                has_changed = True
        return has_changed

    def _number(self, run: RunId) -> int:
        if run not in self._numbers:
            is_own = run.source == str(self._folder) and isinstance(run.key, int) and run.key not in self._taken
            self._numbers[run] = int(run.key) if is_own else next(self._next_numbers)
        return self._numbers[run]

    def take_opened(self) -> bool:
        """Return whether the first events of a run, or all of them after a sample, have come since the last call."""
        has_opened, self._has_opened = self._has_opened, False
        return has_opened

    def take_answers(self) -> list[str]:
        """Return the answers to commands since the last call."""
        return [self._answers.popleft() for _ in range(len(self._answers))]
