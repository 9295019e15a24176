"""One log: its series, what they mean, and what else it says about its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lrtui.sources.log import FoundLog, LogFacts, LogPart, LogReader, Points, Restart
from lrtui.sources.meaning import Meaning, SeriesMapping, recognize
from lrtui.sources.recorded_series import RecordedSeries
from lrtui.sources.series_shape import SeriesShape
from lrtui.text.format import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats

MAX_SERIES = 2_000
"""Maximum number of series of a log that are read."""

MAX_NAME = 200
"""Maximum length of the name of a series; longer ones are cut."""

KEPT = 256
"""Number of points of each series that are kept of a log that is not on screen."""

_RECOGNIZE_AGAIN = 1.5
"""Growth of a log after which the meaning of its series is looked at again."""


class RecordedLog:
    """A log as it is read; used by one thread.

    Args:
        found: the log.
        open_reader: opens it.
        mapping: what the user says that its series mean.
    """

    def __init__(
        self, found: FoundLog, open_reader: Callable[[], LogReader], mapping: SeriesMapping | None = None
    ) -> None:
        self.found = found
        self.series: dict[str, RecordedSeries] = {}
        """The series by name, in the order of the log."""
        self.facts = LogFacts()
        self.revision = 0
        """Increases with every change."""
        self.generation = 0
        """Increases when the series are replaced by others."""
        self.is_read = False
        """Whether everything that was in the log has been read."""
        self.is_sample = False
        """Whether the series are a sample of the log, since it has not been read to its end yet."""
        self.is_thin = False
        """Whether only some points are kept of what was read."""
        self._open, self._mapping = open_reader, mapping
        self._reader: LogReader | None = None
        self._incoming: dict[str, RecordedSeries] | None = None
        """The series that will replace those of a sample, or of a log that was rewritten."""
        self._shapes: dict[str, SeriesShape] = {}
        self._own_trouble = ""
        self._meaning: Meaning | None = None
        self._recognized_at = 0

    @property
    def trouble(self) -> str:
        """What can't be read, as a sentence that names the file; empty if everything can."""
        return (self._reader.trouble if self._reader is not None else "") or self._own_trouble

    @property
    def meaning(self) -> Meaning:
        """What the series mean."""
        if self._meaning is None:
            self._meaning = recognize(self._shapes, self._mapping)
        return self._meaning

    @property
    def used(self) -> list[RecordedSeries]:
        """The series that have points."""
        return [series for series in self.series.values() if len(series)]

    def sample(self) -> bool:
        """Take a sample of the log, if it is large and its format has one; return whether there is one.

        `refresh` replaces it when the whole log is read.
        """
        part = None if self.series or self.is_read else self._reader_of_it().sample()
        if part is None:
            return False
        self._incoming, self.is_sample = None, True
        self._take(part)
        self._incoming = {}
        self._changed()
        return True

    def refresh(self, seconds: float) -> bool:
        """Read what is new, for about that many seconds; return whether anything has changed."""
        reader = self._reader_of_it()
        if self.is_read and not reader.has_news():
            return False
        trouble = self.trouble
        part = reader.read(seconds)
        if part.from_start:
            self._incoming, self._own_trouble = {}, ""
        had_data = self._take(part)
        self.is_read = not part.has_more
        is_replaced = self.is_read and self._incoming is not None
        if is_replaced:
            assert self._incoming is not None
            self.series, self._incoming, self.is_sample = self._incoming, None, False
            self._shapes = {name: _shape_of(series) for name, series in self.series.items()}
            self.generation += 1
            self._meaning = None
            if self.is_thin:
                self.thin()
        if is_replaced or (had_data and self._incoming is None) or part.facts is not None:
            self._changed()
        return had_data or is_replaced or part.facts is not None or self.trouble != trouble

    def has_news(self) -> bool:
        """Return whether `refresh` may find something new."""
        return not self.is_read or self._reader_of_it().has_news()

    def thin(self) -> None:
        """Keep only some points of the series that have a meaning, and none of the others."""
        self.is_thin = True
        meaning = self.meaning
        kept = {meaning.loss, meaning.test_loss, meaning.accuracy, meaning.epoch, *meaning.lrs}
        if not any(name in self.series for name in kept):
            kept |= {series.name for series in sorted(self.used, key=len)[-1:]}
        for name, series in self.series.items():
            if name in kept:
                series.thin(KEPT)
            else:
                self.series[name] = RecordedSeries(name)

    def count_of(self, name: str) -> int:
        """Return how many points a series has, those that are not kept included."""
        return self._shapes[name].count if name in self._shapes else 0

    def lr_points(self) -> tuple[NDArray[np.int64], Floats]:
        """Return the steps at which an lr was logged, and the lrs, one column per parameter group.

        NaN where a group has none at this step.
        """
        groups = [self.series[name] for name in self.meaning.lrs if name in self.series]
        steps = np.unique(np.concatenate([np.empty(0, np.int64), *(series.steps for series in groups)]))
        lrs = np.full((len(steps), len(groups)), np.nan)
        for column, series in enumerate(groups):
            lrs[np.searchsorted(steps, series.steps), column] = series.values
        return steps, lrs

    def close(self) -> None:
        """Release what is open."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _reader_of_it(self) -> LogReader:
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def _take(self, part: LogPart) -> bool:
        """Add what was read; return whether there was any."""
        if part.facts is not None:
            self.facts = part.facts
        series = self.series if self._incoming is None else self._incoming
        for item in part.items:
            if isinstance(item, Restart):
                for each in series.values():
                    each.restart(item.step)
                    self._shape(series, each)
            else:
                self._add(series, item)
        return bool(part.items)

    def _add(self, all_series: dict[str, RecordedSeries], points: Points) -> None:
        if not len(points):
            return
        name = _readable(points.name)
        series = all_series.get(name)
        if series is None:
            if len(all_series) >= MAX_SERIES:
                self._own_trouble = (
                    f"{self.found.path}: only the first {MAX_SERIES:,} series are read, not {name!r} and later ones"
                )
                return
            series = all_series[name] = RecordedSeries(name)
            if all_series is self.series:
                self._meaning = None
        is_used = not self.is_thin or self._is_needed(name)
        is_later = not len(series) or points.steps[0] > series.steps[-1]
        before = len(series)
        if is_used:
            series.extend(points)
        if all_series is self.series:
            if not is_used or (is_later and len(series) == before + len(points)):
                self._shapes[name] = self._shapes.get(name, SeriesShape()).extended(points.steps, points.values)
            else:
                self._shape(all_series, series)
            if self.is_thin and len(series) > 2 * KEPT:
                series.thin(KEPT)

    def _is_needed(self, name: str) -> bool:
        meaning = self.meaning
        return name in (meaning.loss, meaning.test_loss, meaning.accuracy, meaning.epoch, *meaning.lrs)

    def _shape(self, all_series: Mapping[str, RecordedSeries], series: RecordedSeries) -> None:
        if all_series is self.series and not self.is_thin:
            self._shapes[series.name] = _shape_of(series)

    def _changed(self) -> None:
        self.revision += 1
        count = sum(shape.count for shape in self._shapes.values())
        if count > _RECOGNIZE_AGAIN * self._recognized_at or count < self._recognized_at:
            self._meaning, self._recognized_at = None, count


def _shape_of(series: RecordedSeries) -> SeriesShape:
    return SeriesShape().extended(series.steps, series.values)


def _readable(name: str) -> str:
    return printable(name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…")
