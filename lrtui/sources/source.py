"""Logs of other programs as run sources: one for each path that the user names."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lrtui.plugins import BUILT_IN, LOG_FORMATS, load_plugin, plugin_names
from lrtui.run.errors import LrtuiError
from lrtui.run.feed import Feed
from lrtui.run.source import LogDescription, RecognizedSeries, RunId, RunSource, RunSummary
from lrtui.run.spec import LOG, RunSpec
from lrtui.sources.file_watch import FileWatch, reports_changes
from lrtui.sources.folders import LogFinder, Place, is_skipped
from lrtui.sources.log import LogFormat
from lrtui.sources.log_feed import STEPS_IN_FULL, LogFeed
from lrtui.sources.log_figures import LogFigures, figures_of
from lrtui.sources.meaning import SeriesMapping
from lrtui.sources.recorded_log import RecordedLog

BUDGET = 0.25
"""Seconds that a call of `runs` takes; what is left to read is read in the next ones."""

SHARE = 0.2
"""Seconds for which a log is read at a time."""

NEWS_SHARE = 0.05
"""Seconds for which what was added to a log is read at a time."""

SEARCH_SHARE = 20
"""How many times longer than a search the pause before the next one is at least."""

STILL_RUNNING = 60.0
"""Seconds after its last value for which a log counts as that of a run in progress, at least."""

INTERVALS = 5
"""The same, as a number of its usual intervals between values."""

FEW = 8
"""Number of logs up to which the list waits for their first figures."""

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


class LogSource(RunSource):
    """The logs under one path.

    Args:
        path: a folder or a file; it may not exist yet.
        mapping: what the user says that series mean.
        formats: formats in the order in which they are asked.
        missing: why other formats are not asked.
    """

    def __init__(
        self, path: Path, mapping: SeriesMapping, formats: Sequence[LogFormat], missing: Sequence[str] = ()
    ) -> None:
        self.path, self.name = path, str(path)
        self.trouble = ""
        self._missing = tuple(missing)
        self._mapping = mapping
        self._finder = LogFinder(path, formats)
        self._logs: dict[str, WatchedLog] = {}
        self._runs: list[RunSummary] = []
        self._next_search = 0.0
        self._turn = 0
        self._notify: Callable[[], None] | None = None
        self._file_watch: FileWatch | None = None
        self._reports_changes = False

    @property
    def is_read(self) -> bool:
        """Whether everything that was in the files has been read."""
        return self._finder.is_complete and all(watched.log.is_read for watched in self._logs.values())

    @property
    def troubles(self) -> tuple[str, ...]:
        """What can't be found or read, each as a sentence that names the file."""
        logs = [watched.log.trouble for watched in self._logs.values()]
        return (*self._missing, *self._finder.trouble, *filter(None, logs))

    def runs(self) -> Sequence[RunSummary]:
        """Return all runs, as far as they have been read; continues reading for about BUDGET seconds."""
        return self._read(time.monotonic() + BUDGET)

    def read_all(self) -> Sequence[RunSummary]:
        """Return all runs after everything has been read."""
        self._next_search = 0.0
        runs = self._read(float("inf"))
        while not self.is_read:
            runs = self._read(float("inf"))
        return runs

    def watch(self, notify: Callable[[], None]) -> None:
        """Call `notify` when files change, and while there is more to read."""
        self._notify = notify

    def _changed(self, has_others: bool) -> None:
        if has_others:
            # soon, but a search of many folders is not repeated all the time
            self._next_search = min(self._next_search, time.monotonic() + 2 * self._finder.seconds)
        if self._notify is not None:
            self._notify()

    def _watch_files(self) -> None:
        """Watch the folders that were searched, if their file system reports changes."""
        if self._file_watch is None:
            self._file_watch = FileWatch(self._changed)
            self._reports_changes = reports_changes(self.path)
        if self._reports_changes:
            self._file_watch.watch(self._finder.folders)

    def feed(self, key: int | str, in_full: int | None = STEPS_IN_FULL) -> Feed:
        """Return a run's events, as far as `runs` has read them.

        Args:
            in_full: how many of the newest steps are returned one by one, older ones being summarized; None for all.

        Raises:
            LrtuiError: before `runs` has found the log.
        """
        return self._watched(key).feed(in_full)

    def log(self, key: int | str) -> RecordedLog:
        """Return a run's log.

        Raises:
            LrtuiError: before `runs` has found it.
        """
        return self._watched(key).log

    def close(self) -> None:
        """Release what is open."""
        if self._file_watch is not None:
            self._file_watch.close()
        for watched in self._logs.values():
            watched.log.close()
        self._logs, self._runs = {}, []

    def _watched(self, key: int | str) -> WatchedLog:
        watched = self._logs.get(str(key))
        if watched is None:
            raise LrtuiError(f"there is no log {key} in {self.path}")
        return watched

    def _read(self, until: float) -> Sequence[RunSummary]:
        now, is_first = time.monotonic(), not self._finder.is_complete
        if (self._finder.is_searching or now >= self._next_search) and self._finder.search(until):
            self._next_search = time.monotonic() + max(1.0, SEARCH_SHARE * self._finder.seconds)
            self._take_found()
        # the list of the runs comes first, without their figures
        is_list = is_first and self._finder.is_complete and len(self._logs) > FEW and until < float("inf")
        changed = set() if is_list else self._refresh(until)
        wall = time.time()
        for key, watched in self._logs.items():
            summary = watched.summary
            is_running = watched.is_running(wall)
            if summary is None or watched in changed or is_running != summary.is_live:
                watched.summary = self._summary(key, watched, is_running=is_running)
        troubles = self.troubles
        more = f" ({len(troubles) - 1} more like this)" if len(troubles) > 1 else ""
        self.trouble = troubles[0] + more if troubles else ""
        runs = [watched.summary for watched in self._logs.values() if watched.summary is not None]
        if runs != self._runs:
            self._runs = runs
        if self._notify is not None:
            if self.is_read:
                self._watch_files()
            else:
                self._notify()
        return self._runs

    def _take_found(self) -> None:
        """Add the logs that were found, and drop those that have disappeared."""
        found: dict[str, Place] = {}
        for path, place in self._finder.places.items():
            found.setdefault(self._key(path), place)
        for key in self._logs.keys() - found.keys():
            self._logs.pop(key).log.close()
        for key, place in found.items():
            known = self._logs.get(key)
            if known is None or known.place.log != place.log:
                if known is not None:
                    known.log.close()
                self._logs[key] = WatchedLog(place, self._mapping)

    def _key(self, path: Path) -> str:
        if path != self.path and path.is_relative_to(self.path):
            return str(path.relative_to(self.path))
        # the path itself, or the folder above a checkpoint
        return path.name or str(path)

    def _refresh(self, until: float) -> set[WatchedLog]:
        """Read the logs on screen first, then samples of the others, then all of them; return those that changed."""
        changed: set[WatchedLog] = set()
        newest_first = sorted(self._logs.values(), key=lambda watched: -watched.first_seen)
        in_use = [watched for watched in newest_first if watched.feeds]
        others = [watched for watched in newest_first if not watched.feeds]
        known = [watched for watched in others if watched.log.is_read]
        # those that had no turn in the last call come first in this one
        turn = self._turn % max(1, len(known))
        # one is read to its end before the next one: values of one at a time are in memory
        unread = sorted((each for each in others if not each.log.is_read), key=lambda each: not each.log.is_begun)
        is_limited = until < float("inf")
        for watched in in_use:
            if watched.refresh(max(min(until - time.monotonic(), SHARE), 0.02)):
                changed.add(watched)
        for watched in unread if is_limited else ():
            if time.monotonic() >= until:
                break
            if watched.sample():
                changed.add(watched)
        news_until = until - BUDGET / 2 if unread and is_limited else until
        for watched in known[turn:] + known[:turn]:
            if time.monotonic() >= news_until:
                break
            self._turn += 1
            if watched.refresh(NEWS_SHARE):
                changed.add(watched)
        for watched in unread:
            while not watched.log.is_read:
                if watched.refresh(max(min(until - time.monotonic(), SHARE), 0.02)):
                    changed.add(watched)
                if time.monotonic() >= until:
                    return changed
        return changed

    def _summary(self, key: str, watched: WatchedLog, *, is_running: bool) -> RunSummary:
        facts, figures, place = watched.log.facts, watched.figures, watched.place
        meaning = watched.log.meaning
        return RunSummary(
            id=RunId(self.name, key),
            state="running" if is_running else "done",
            name=facts.name,
            created=figures.created if figures.created is not None else watched.first_seen,
            spec=RunSpec(task=f"{LOG}:{place.log.path}", schedule="", epochs=_epochs(facts.epochs)),
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
                format=place.log.format,
                path=str(place.log.path),
                recognized=tuple(
                    RecognizedSeries(each.role, each.series, each.reason)
                    for each in meaning.reasons
                    if each.series is not None
                ),
                settings=facts.settings,
            ),
        )


def open_logs(
    paths: Sequence[Path], mapping: SeriesMapping | None = None, formats: Sequence[LogFormat] | None = None
) -> list[LogSource]:
    """Return a source for each path; a path that is given twice or lies inside another one has none of its own.

    Args:
        paths: folders and files.
        mapping: what the user says that series mean.
        formats: the formats that are looked for; None for all that are installed.
    """
    missing: list[str] = []
    if formats is None:
        formats, missing = _installed_formats()
    absolute = list(dict.fromkeys(Path(os.path.abspath(path)) for path in paths))
    kept = [path for path in absolute if not any(_is_searched(path, other) for other in absolute)]
    return [LogSource(path, mapping or SeriesMapping(), formats, missing) for path in kept]


def _is_searched(path: Path, folder: Path) -> bool:
    """Return whether a search of the folder comes to the path."""
    if path == folder or not path.is_relative_to(folder) or not folder.is_dir():
        return False
    return not any(is_skipped(name) for name in path.relative_to(folder).parts)


def _installed_formats() -> tuple[list[LogFormat], list[str]]:
    """Return lrtui's own formats in their order and then those of other packages, and why some can't be used."""
    own = BUILT_IN[LOG_FORMATS]
    formats: list[LogFormat] = []
    missing: list[str] = []
    for name in (*own, *(name for name in plugin_names(LOG_FORMATS) if name not in own)):
        try:
            formats.append(load_plugin(LOG_FORMATS, name)())
        except Exception as error:  # another package can raise anything
            missing.append(f"Logs of the format {name} are not read: {error}")
    return formats, missing


def _epochs(epochs: int | None) -> int:
    return max(1, min(epochs or 1, 1_000_000))


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
