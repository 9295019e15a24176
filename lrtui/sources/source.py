"""Logs of other programs as run sources: one for each path that the user names."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lrtui.plugins import BUILT_IN, LOG_FORMATS, load_plugin, plugin_names
from lrtui.run.errors import LrtuiError
from lrtui.run.feed import Feed
from lrtui.run.source import RunId, RunSource, RunSummary
from lrtui.sources.file_watch import FileWatch, reports_changes
from lrtui.sources.folders import LogFinder, Place, is_skipped
from lrtui.sources.log import LogFormat
from lrtui.sources.log_feed import STEPS_IN_FULL
from lrtui.sources.meaning import SeriesMapping
from lrtui.sources.recorded_log import RecordedLog
from lrtui.sources.watched_log import SHARE, WatchedLog

BUDGET = 0.25
"""Seconds that a call of `runs` takes; what is left to read is read in the next ones."""

NEWS_SHARE = 0.05
"""Seconds for which what was added to a log is read at a time."""

REPORTED = 0.5
"""Seconds for which logs are not looked at again if the file system reports changes and has reported none."""

SEARCH_SHARE = 20
"""How many times longer than a search the pause before the next one is at least."""

FEW = 8
"""Number of logs up to which the list waits for their first figures."""


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
        self._has_news = True
        self._looked_at = 0.0

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
        # this is also called when another run is to be shown
        is_reported = self._reports_changes and not self._has_news
        if is_reported and time.monotonic() < self._looked_at + REPORTED and self.is_read:
            return self._runs
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
        self._has_news = True
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
        # before anything is read, since files may change meanwhile
        self._looked_at, self._has_news = now, False
        if (self._finder.is_searching or now >= self._next_search) and self._finder.search(until):
            self._next_search = time.monotonic() + max(1.0, SEARCH_SHARE * self._finder.seconds)
            self._take_found()
        # the list of the runs comes first, without their figures
        is_list = is_first and self._finder.is_complete and len(self._logs) > FEW and until < float("inf")
        changed = set() if is_list else self._refresh(until, is_first=is_first and until < float("inf"))
        wall = time.time()
        for key, watched in self._logs.items():
            summary = watched.summary
            is_running = watched.is_running(wall)
            if summary is None or watched in changed or is_running != summary.is_live:
                watched.summary = watched.summarize(RunId(self.name, key), is_running=is_running)
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

    def _refresh(self, until: float, *, is_first: bool) -> set[WatchedLog]:
        """Read the logs on screen first, then samples of the others, then all of them; return those that changed.

        Args:
            is_first: whether samples are enough where there are some, since nothing is on screen yet.
        """
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
            if is_first and watched.log.is_sample:
                continue
            while not watched.log.is_read:
                if watched.refresh(max(min(until - time.monotonic(), SHARE), 0.02)):
                    changed.add(watched)
                if time.monotonic() >= until:
                    return changed
        return changed


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
