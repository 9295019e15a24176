"""The series of one log, with the shape of each: as many of their points as are needed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from lrtui.sources.log import Points
from lrtui.sources.named_series import NamedSeries
from lrtui.sources.recorded_series import RecordedSeries
from lrtui.sources.series_shape import SeriesShape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lrtui.sources.log import Restart

KEPT = 256
"""Number of points that are kept of a series of which not all are needed."""


class RecordedValues:
    """The series of a log; used by one thread."""

    def __init__(self) -> None:
        self.series: dict[str, RecordedSeries] = {}
        """The series by name, in the order of the log."""
        self.shapes: dict[str, SeriesShape] = {}
        """The shape of each, which counts the points that are not kept as well."""
        self.is_thin = False
        """Whether only some points are kept."""
        self._names = NamedSeries()
        self._left_out: frozenset[str] = frozenset()
        """Names of the series of which no points are kept."""

    @property
    def trouble(self) -> str:
        """What is left out; empty if nothing is."""
        return self._names.trouble

    @property
    def points(self) -> int:
        """Number of points that are kept."""
        return sum(map(len, self.series.values()))

    def add(self, items: Iterable[Points | Restart]) -> None:
        """Add what was read, in the order in which it was written."""
        for item in items:
            if not isinstance(item, Points):
                self._restart(item.step)
            elif len(item) and (name := self._names.name(item.name)) is not None:
                self._extend(name, item)

    def thin(self, kept: Collection[str] | None = None) -> None:
        """Keep only about KEPT points of each series, also of those that are added.

        Args:
            kept: names of the series of which points are kept; None for all. Series that appear later are kept as well.
        """
        self.is_thin, self._left_out = True, frozenset() if kept is None else frozenset(self.series).difference(kept)
        for name, series in self.series.items():
            if name in self._left_out:
                self.series[name] = RecordedSeries(name)
            else:
                series.thin(KEPT)

    def _extend(self, name: str, points: Points) -> None:
        series = self.series.setdefault(name, RecordedSeries(name))
        known = self.shapes.get(name, SeriesShape())
        before = len(series)
        is_later = not before or points.steps[0] > series.steps[-1]
        if name not in self._left_out:
            series.extend(points)
        if self.is_thin or (is_later and len(series) == before + len(points)):
            self.shapes[name] = known.extended(points.steps, points.values)
        else:
            self._look_again(series)
        if self.is_thin and len(series) > 2 * KEPT:
            series.thin(KEPT)

    def _restart(self, step: int) -> None:
        for series in self.series.values():
            before = len(series)
            series.restart(step)
            if len(series) < before and not self.is_thin:
                self._look_again(series)

    def _look_again(self, series: RecordedSeries) -> None:
        self.shapes[series.name] = SeriesShape().extended(series.steps, series.values)
