"""The values of a run from several event files: where the run went back to an earlier step, and what is superseded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lrtui.sources.log import Points, Restart
from lrtui.sources.named_series import NamedSeries
from lrtui.sources.tensorboard.event_folders import Part
from lrtui.sources.tensorboard.event_table import Column, EventTable
from lrtui.text.format import printable

# seconds by which the events of two files must overlap to come from two writers
OVERLAP = 1.0
# values that are kept in the parts in which they were read, before they are copied into arrays of their series
MOST_PENDING = 1 << 18


@dataclass(slots=True)
class _Written:
    """What has been read from one file.

    Args:
        counts: number of values by tag.
        last: the largest step by tag.
        last_time: the latest wall time.
        first_step: the step from which on it supersedes files before it; None as long as it has no series of theirs.
        limit: the step from which on it is superseded by a file after it.
    """

    counts: dict[bytes, int] = field(default_factory=dict)
    last: dict[bytes, int] = field(default_factory=dict)
    last_time: float = -np.inf
    first_step: int | None = None
    limit: int | None = None


class EventHistory:
    """Collects the tables of event files, which are added file by file in the order in which they were created."""

    def __init__(self) -> None:
        self.settings: dict[str, str | float | bool | None] = {}
        self._series = NamedSeries()
        self._files: dict[Path, _Written] = {}
        self._items: list[Points | Restart] = []
        self._columns = defaultdict[str, list[Column]](list)
        self._pending = 0
        self._two_writers = ""
        self._has_parts = False
        self.is_out_of_order = False
        """Whether the run was resumed after values of its parts were added, of which some may be newer than that."""

    @property
    def trouble(self) -> str:
        """What is left out, and why; empty if nothing is."""
        return " ".join(filter(None, (self._two_writers, self._series.trouble)))

    def take(self) -> Sequence[Points | Restart]:
        """Return what has been added since the last call."""
        self._flush()
        items, self._items = self._items, []
        return items

    def add(self, path: Path, table: EventTable, parts: Sequence[Part] = ()) -> None:
        """Add what follows in a file.

        Args:
            path: the file.
            table: what is in it.
            parts: the parts of the run that it is within, the outermost first. They have no restarts of their own: a
                value supersedes earlier ones of its series anyway.
        """
        self.settings |= table.settings
        if parts:
            self._has_parts = True
            self._add_columns(table.columns, parts)
            return
        written = self._files.get(path)
        if written is None:
            written = self._files[path] = _Written()
        earlier = self._before(path) if table.restarts or written.first_step is None else []
        if earlier and not table.restarts:
            self._start(path, written, earlier, table)
        start = 0
        for event, step in table.restarts:
            self._add_own(written, _between(table.columns, start, event))
            if self._files.keys() != {path} or written.counts:
                self._restart(step, earlier)
                written.first_step = step
            start = event
        self._add_own(written, _between(table.columns, start, None))

    def _before(self, path: Path) -> list[_Written]:
        paths = list(self._files)
        return [self._files[each] for each in paths[: paths.index(path)]]

    def _start(self, path: Path, written: _Written, earlier: list[_Written], table: EventTable) -> None:
        """Find out whether a file goes on where those before it ended, or from an earlier step."""
        counts, last = dict[bytes, int](), dict[bytes, int]()
        for each in earlier:
            for tag, count in each.counts.items():
                counts[tag] = counts.get(tag, 0) + count
                last[tag] = max(last.get(tag, each.last[tag]), each.last[tag])
        # not by series with few values, such as a final result that every start writes at step 0
        enough = max(counts.values(), default=0) / 2
        shared = [tag for tag in table.columns if counts.get(tag, 0) >= max(1, enough)]
        if not shared:
            return
        firsts = {tag: int(table.columns[tag].steps[0]) for tag in shared}
        written.first_step = min(firsts.values())
        if any(first <= last[tag] for tag, first in firsts.items()):
            self._restart(written.first_step, earlier)
        for each in earlier:
            each.limit = written.first_step if each.limit is None else min(each.limit, written.first_step)
        if (
            max(each.last_time for each in earlier)
            > min(float(table.columns[tag].times[0]) for tag in shared) + OVERLAP
        ):
            self._tell_of_two_writers(path, written.first_step)

    def _restart(self, step: int, earlier: list[_Written]) -> None:
        self._flush()
        self._items.append(Restart(step))
        self.is_out_of_order = self._has_parts
        for each in earlier:
            each.limit = step if each.limit is None else min(each.limit, step)

    def _tell_of_two_writers(self, newer: Path, step: int) -> None:
        self._two_writers = (
            f"Two programs seem to write into it at the same time: from step {step:,} on, "
            f"the values in {printable(newer.name)} are shown."
        )

    def _add_own(self, written: _Written, columns: dict[bytes, Column]) -> None:
        if written.limit is not None:
            newer = {tag: column.chosen(column.steps < written.limit) for tag, column in columns.items()}
            if any(len(newer[tag].steps) < len(column.steps) for tag, column in columns.items()):
                self._tell_of_two_writers(list(self._files)[-1], written.limit)
            columns = {tag: column for tag, column in newer.items() if len(column.steps)}
        for tag, column in columns.items():
            written.counts[tag] = written.counts.get(tag, 0) + len(column.steps)
            last = int(column.steps.max())
            written.last[tag] = max(written.last.get(tag, last), last)
            written.last_time = max(written.last_time, float(column.times.max()))
        self._add_columns(columns)

    def _add_columns(self, columns: dict[bytes, Column], parts: Sequence[Part] = ()) -> None:
        for tag, column in columns.items():
            logged: str | None = tag.decode("utf-8", "surrogateescape")
            for part in reversed(parts):
                logged = part.series(logged) if logged is not None else None
            name = self._series.name(logged) if logged is not None else None
            if name is not None:
                self._columns[name].append(column)
                self._pending += len(column.steps)
        if self._pending >= MOST_PENDING:
            self._flush()

    def _flush(self) -> None:
        for name, columns in self._columns.items():
            steps, values, times = (
                np.concatenate(each) if len(columns) > 1 else each[0]
                for each in zip(*((column.steps, column.values, column.times) for column in columns), strict=True)
            )
            self._items.append(Points(name, steps, values, times))
        self._columns.clear()
        self._pending = 0


def _between(columns: dict[bytes, Column], first: int, stop: int | None) -> dict[bytes, Column]:
    """Return the values in events from one number to before another, without tags that have none there."""
    if first == 0 and stop is None:
        return dict(columns)
    parts = {tag: column.between(first, stop) for tag, column in columns.items()}
    return {tag: part for tag, part in parts.items() if len(part.steps)}
