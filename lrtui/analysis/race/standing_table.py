"""A race's standing as cells of a table: the same for a terminal and for Markdown."""

from __future__ import annotations

from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.verdict import interval_words, signed
from lrtui.text.format import MISSING, figure
from lrtui.text.numbers import duration
from lrtui.text.table import Heading

BASELINE = "baseline"
"""Stands where a verdict would, for what the others are measured against."""


def headings(standing: Standing) -> list[Heading]:
    """Return the columns that the standing has something for."""
    several = len(standing.seeds) > 1
    columns = [Heading("#", "."), Heading("schedule"), Heading(standing.metric, ".")]
    if several:
        columns.append(Heading("sd", "."))
    if len(standing.placings) > 1:
        columns.append(Heading("difference", "."))
        if several:
            columns += [Heading("95 % interval"), Heading("verdict")]
    target = "" if standing.target is None else figure(standing.target)
    columns += [Heading(f"steps to {target}", "."), Heading("time", " "), Heading("# by steps", ".")]
    return columns


def rows(standing: Standing) -> list[list[str]]:
    """Return a row for each ranked entrant, the best first."""
    return [_row(standing, placing) for placing in standing.placings]


def _row(standing: Standing, placing: Placing) -> list[str]:
    several, difference = len(standing.seeds) > 1, placing.difference
    row = [str(placing.rank), placing.label, figure(placing.mean)]
    if several:
        row.append(figure(placing.deviation))
    if len(standing.placings) > 1:
        # beside an interval that it has none of, the baseline is told by the verdict
        row.append(signed(difference.mean) if difference else MISSING if several else BASELINE)
        if several:
            row += [interval_words(difference), difference.verdict] if difference else ["", BASELINE]
    if placing.reached is None:
        return [*row, f"{placing.reached_seeds} of {len(standing.seeds)} seeds", MISSING, MISSING]
    return [*row, f"{placing.reached.steps:,.0f}", duration(placing.reached.seconds), str(placing.time_rank)]
