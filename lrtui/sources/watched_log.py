"""One log that is watched: read when it is its turn, with what the list of runs shows of it."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterable
from pathlib import Path

from lrtui.run.feed import Feed
from lrtui.run.source import LogDescription, RecognizedSeries, RunId, RunSummary
from lrtui.sources.folders import Place
from lrtui.sources.log_feed import LogFeed
from lrtui.sources.log_figures import LogFigures, figures_of
from lrtui.sources.meaning import SeriesMapping
from lrtui.sources.recorded_log import RecordedLog

SHARE = 0.2
"""Seconds for which a log is read at a time."""

STILL_RUNNING = 60.0
"""Seconds after its last value for which a log counts as that of a run in progress, at least."""

INTERVALS = 5
"""The same, as a number of its usual intervals between values."""

READ_ONLY = "This run is read-only: lrtui watches its log."


class WatchedLog:
    """A log of a source, with what the list of runs shows of it.

    Args:
        place: where it was found.
        mapping: what the user says that its series mean.
    """

    def __init__(self, place: Place, mapping: SeriesMapping) -> None:
        self.place, self._mapping = place, mapping
        self.log = self._recorded()
        self.figures = LogFigures()
        self.summary: RunSummary | None = None
        self.is_sampled = False
        self.last_write = _last_write(place.log.path)
        self.first_seen = self.last_write
        self.feeds: weakref.WeakSet[LogFeed] = weakref.WeakSet()
        """The feeds that are in use; the values of a log without one are not kept."""

    def _recorded(self) -> RecordedLog:
        place = self.place
        return RecordedLog(place.log, lambda: place.format.open(place.log), self._mapping)

    def feed(self, in_full: int | None) -> Feed:
        """Return the events of the log."""
        if (own := self.place.format.feed(self.place.log)) is not None:
            return own
        if self.log.is_thin:
            self.log.close()
            self.log = self._recorded()
            # a curve comes with the first events
            if not self.log.sample():
                self.log.refresh(2 * SHARE)
        self.log.keeps_all = True
        feed = LogFeed(self.log, in_full)
        self.feeds.add(feed)
        return feed

    def refresh(self, seconds: float) -> bool:
        """Read what is new; return whether anything has changed."""
        was_read, self.log.keeps_all = self.log.is_read, bool(self.feeds)
        if not self.log.refresh(seconds):
            if was_read and not self.log.keeps_all and not self.log.is_thin:
                self.log.thin()
            return False
        if was_read:
            self.last_write = time.time()
        if not self.log.is_sample:
            self.figures = figures_of(self.log, self.figures)
        if self.log.is_read and not self.log.keeps_all:
            self.log.thin()
        return True

    def sample(self) -> bool:
        """Take a sample of the log, if it has one; return whether it has."""
        if self.is_sampled:
            return False
        self.is_sampled = True
        if not self.log.sample():
            return False
        self.figures = figures_of(self.log, self.figures)
        return True

    def is_running(self, now: float) -> bool:
        """Return whether the run is still training."""
        if self.log.facts.is_finished is not None:
            return not self.log.facts.is_finished
        return now - self.last_write < max(STILL_RUNNING, INTERVALS * self.figures.interval)

    def summarize(self, run: RunId, *, is_running: bool) -> RunSummary:
        """Return what the list of runs shows."""
        facts, figures, meaning = self.log.facts, self.figures, self.log.meaning
        found = self.place.log
        return RunSummary(
            id=run,
            state="running" if is_running else "done",
            name=facts.name,
            created=figures.created if figures.created is not None else self.first_seen,
            spec=self.log.spec,
            epochs_done=figures.epochs_done,
            epochs=facts.epochs or 0,
            step=figures.step,
            seconds=figures.seconds,
            best_accuracy=figures.best_accuracy,
            best_loss=figures.best_loss,
            lrs=figures.lrs,
            read_only=READ_ONLY,
            columns={} if facts.total_steps is None else {"total_steps": facts.total_steps},
            log=LogDescription(
                format=found.format,
                path=str(found.path),
                recognized=tuple(
                    RecognizedSeries(each.role, each.series, each.reason)
                    for each in meaning.reasons
                    if each.series is not None
                ),
                settings=facts.settings,
            ),
        )


def _last_write(path: Path) -> float:
    """Return when the newest of a log's files was written, in seconds since 1970; 0 if it can't be read."""
    return max(_times_of_files(path), default=0.0)


def _times_of_files(path: Path) -> Iterable[float]:
    try:
        yield path.stat().st_mtime
        if path.is_dir():
            with os.scandir(path) as entries:
                for count, entry in enumerate(entries):
                    if count >= 1000:
                        return
                    yield entry.stat().st_mtime
    except OSError:
        return
