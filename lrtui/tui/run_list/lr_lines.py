"""The lr of each listed run as a curve in one line, which grows with the run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrtui.plotting.sparkline import sparkline
from lrtui.run.source import RunSummary
from lrtui.run.spec import trained_group
from lrtui.run.state import RunState


class LrLines:
    """The curves; each is drawn again only when it has become longer, which keeps the frames of the list cheap."""

    def __init__(self) -> None:
        self._drawn: dict[int, tuple[object, str]] = {}

    def line(self, number: int, run: RunSummary, state: RunState | None, width: int) -> str:
        """Return the curve of a run, `width` columns if it is at its end; empty for a run without lrs.

        Args:
            number: the run's number.
            run: its summary.
            state: its state, if its events are in memory.
            width: width of the column; 0 for no curves.
        """
        if not width:
            return ""
        known = state is not None and bool(state.lrs)
        before, columns = _columns(run, width)
        stamp = (width, before, columns, run.state, known or run.lrs)
        if number not in self._drawn or self._drawn[number][0] != stamp:
            lrs = _sampled(state, columns) if state is not None and known else np.asarray(run.lrs)
            self._drawn[number] = (stamp, " " * before + sparkline(lrs, columns))
        return self._drawn[number][1]


def _columns(run: RunSummary, width: int) -> tuple[int, int]:
    """Return the columns left of a run's curve, where the run that it branched from has its own, and its length."""
    first, total = run.columns.get("first_step"), run.columns.get("total_steps")
    if not isinstance(total, int) or total <= 0:
        return 0, width
    before = round(width * first / total) if isinstance(first, int) else 0
    before = min(max(before, 0), width - 1)
    return before, min(max(round(width * run.step / total) - before, 1), width - before)


def _sampled(state: RunState, columns: int) -> NDArray[np.float64]:
    """Return the mean lr of the first parameter group that is not frozen, in twice as many parts of the run so far."""
    highest = [float(each.summary(np.array([0, len(each)])).high[0]) if len(each) else 0.0 for each in state.lrs]
    series = state.lrs[trained_group(highest)]
    return series.summary(np.linspace(0, len(series), 2 * columns + 1).astype(np.int64)).mean
