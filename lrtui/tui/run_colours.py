"""The colours of runs as component classes, for every widget that shows runs: charts, legends, the list of runs."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget

from lrtui.plotting.layers import FADED, LINE_COLOURS
from lrtui.tui.colours import BANDS, LINES

RUN_CLASSES = {variable.replace("chart-", "chart--"): variable for variable in (*LINES, *BANDS)}
"""Variable of the colour of each component class: a run's line, and the band of its batches."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def line_class(place: int) -> str:
    """Return the component class of the line with this index, from 0; after the last colour the first one follows."""
    return f"chart--line-{place % LINE_COLOURS + 1}"


def letter_of(place: int) -> str:
    """Return the letter of the line with this index, from 0."""
    return LETTERS[place % len(LETTERS)]


def run_css(widget: str) -> str:
    """Return the style rules of a widget's component classes in RUN_CLASSES."""
    return "\n".join(f"{widget} > .{name} {{ color: ${variable}; }}" for name, variable in RUN_CLASSES.items())


def chart_style(widget: Widget, name: str) -> Style:
    """Return the style of a component class, dimmed if it has the suffix FADED."""
    style = widget.get_component_rich_style(name.removesuffix(FADED), partial=True)
    return style + Style(dim=True) if name.endswith(FADED) else style
