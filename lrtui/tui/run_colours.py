"""The colours of runs, for every widget that shows runs: charts, legends, the list of runs."""

from __future__ import annotations

from rich.style import Style
from textual.color import Color
from textual.widget import Widget

from lrtui.plotting.layers import FADED, LINE_COLOURS
from lrtui.tui.colours import BANDS, LINES

# As component classes they would be styled for every widget that shows runs, at each change of its classes: a third of
# the time to the first frame.
RUN_COLOURS = {variable.replace("chart-", "chart--"): variable for variable in (*LINES, *BANDS)}
"""The theme's variable for each style of a run: its line, and the band of its batches."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def line_class(place: int) -> str:
    """Return the style of the line with this index, from 0; after the last colour the first one follows."""
    return f"chart--line-{place % LINE_COLOURS + 1}"


def letter_of(place: int) -> str:
    """Return the letter of the line with this index, from 0."""
    return LETTERS[place % len(LETTERS)]


def chart_style(widget: Widget, name: str) -> Style:
    """Return a run's style, or that of a component class of the widget; dimmed if it has the suffix FADED."""
    plain = name.removesuffix(FADED)
    if plain in RUN_COLOURS:
        style = Style(color=Color.parse(widget.app.theme_variables[RUN_COLOURS[plain]]).rich_color)
    else:
        style = widget.get_component_rich_style(plain, partial=True)
    return style + Style(dim=True) if name.endswith(FADED) else style
