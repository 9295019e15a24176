"""The colours of runs as component classes, for every widget that shows runs: charts, legends, the list of runs."""

from __future__ import annotations

from rich.style import Style
from textual.widget import Widget

from lrtui.plotting.layers import FADED
from lrtui.tui.colours import BANDS, LINES

RUN_CLASSES = {variable.replace("chart-", "chart--"): variable for variable in (*LINES, *BANDS)}
"""Variable of the colour of each component class: a run's line, and the band of its batches."""


def run_css(widget: str) -> str:
    """Return the style rules of a widget's component classes in RUN_CLASSES."""
    return "\n".join(f"{widget} > .{name} {{ color: ${variable}; }}" for name, variable in RUN_CLASSES.items())


def chart_style(widget: Widget, name: str) -> Style:
    """Return the style of a component class, dimmed if it has the suffix FADED."""
    style = widget.get_component_rich_style(name.removesuffix(FADED), partial=True)
    return style + Style(dim=True) if name.endswith(FADED) else style
