"""What is shown of a race's standing: the table with the letters of the curves, and the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Layer, Line, Marks
from lrtui.text.format import printable
from lrtui.tui.panes.frame import Legend
from lrtui.tui.panes.repaint import update_text
from lrtui.tui.run_colours import chart_style, letter_of, line_class

# takes 120 ms to import, and is first needed in a thread
if TYPE_CHECKING:
    from lrtui.analysis.race.results import CellResult
    from lrtui.analysis.race.standing import Standing

GUTTER = "  "
"""In place of a letter and its blank."""


@dataclass(frozen=True, slots=True)
class StandingPage:
    """What is shown of a standing.

    Args:
        lines: the lines above the curves, each with the entrant whose row it is, or None.
        notes: the lines below the curves.
        metric: what the curves show.
        means: the metric of each entrant by epoch.
        labels: the names of all entrants.
        epochs: number of epochs of each run.
    """

    lines: Sequence[tuple[int | None, str]] = ()
    notes: Sequence[str] = ()
    metric: str = ""
    means: Mapping[int, Mapping[int, float]] = field(default_factory=dict)
    labels: Sequence[str] = ()
    epochs: int = 1

    @property
    def legends(self) -> list[Legend]:
        """The letters of the curves with labels, and alone."""
        named = [
            ((f"{letter_of(entrant)} {self.labels[entrant]}", line_class(entrant)), ("  ", ""))
            for entrant in self.means
        ]
        letters = [((letter_of(entrant), line_class(entrant)), (" ", "")) for entrant in self.means]
        return [tuple(piece for pair in pairs for piece in pair)[:-1] for pairs in (named, letters)]

    def chart(self, *, ascii_only: bool) -> Chart:
        """Return the curves, with a letter at each test."""
        layers: list[Layer] = [
            Line([*each], [*each.values()], line_class(entrant)) for entrant, each in self.means.items()
        ]
        layers += [
            Marks([*each], [*each.values()], line_class(entrant), letter_of(entrant))
            for entrant, each in self.means.items()
        ]
        return Chart(layers, 0.0, float(self.epochs), x_label="epoch", ascii=ascii_only)


def standing_page(standing: Standing, results: Sequence[CellResult], width: int) -> StandingPage:
    """Return what is shown of a standing.

    Args:
        width: maximum width of the lines.
    """
    from lrtui.analysis.race.report import note_lines, result_lines
    from lrtui.analysis.race.results import epochs_of_race
    from lrtui.analysis.race.standing import mean_tests

    return StandingPage(
        lines=result_lines(standing, width),
        notes=note_lines(standing, width),
        metric=standing.metric,
        means=mean_tests(standing, results),
        labels=[printable(entrant.label) for entrant in standing.plan.entrants],
        epochs=epochs_of_race(standing.plan, results),
    )


class StandingTable(Static):
    """The lines above the curves, with the letters of the curves before the rows of the table."""

    def show(self, lines: Sequence[tuple[int | None, str]]) -> None:
        """Show these lines."""
        text = Text()
        for entrant, line in lines:
            if entrant is None:
                text.append(GUTTER)
            else:
                text.append(f"{letter_of(entrant)} ", chart_style(self, line_class(entrant)))
            text.append(f"{line}\n")
        text.rstrip()
        text.highlight_regex(rf"(?m)^{GUTTER}first\b|\bbetter\b", "bold")
        update_text(self, text)
