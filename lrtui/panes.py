"""The cockpit's panes, each declared once: keys, tabs, help and layout are derived from here. Imports no Textual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PaneSpec:
    """A pane that has a key.

    Args:
        name: identifies the pane; the widget's id, and its label in the line of tabs.
        key: moves the focus to it.
        title: its title in messages and above its help.
        help: what it shows, one paragraph.
        widget: what creates it, as "module:class".
        column: where it stands when all panes are shown.
        is_chart: whether it is a chart, which the chart keys apply to.
        short_name: its label in narrow tabs; `name` where empty.
    """

    name: str
    key: str
    title: str
    help: str
    widget: str
    column: Literal["left", "right"] = "right"
    is_chart: bool = False
    short_name: str = ""


PANES: tuple[PaneSpec, ...] = (
    PaneSpec(
        "lr",
        "1",
        "Learning rate",
        "The learning rate of every step, read from the optimizer; the dotted line is the rest of the schedule. A "
        "triangle marks a switch or a nudge; grey dashes are the course before the last switch or nudge. "
        "With several parameter groups, each has its own line.",
        "lrtui.tui.panes.lr:LrPane",
        is_chart=True,
    ),
    PaneSpec(
        "loss",
        "2",
        "Loss",
        "The training loss of every step: a band from minimum to maximum with a smoothed line in it; the dots are the "
        "test losses. A kink in the loss is right below the change of lr that caused it.",
        "lrtui.tui.panes.metrics:LossPane",
        is_chart=True,
    ),
    PaneSpec(
        "accuracy",
        "3",
        "Accuracy",
        "The share of test samples that are classified correctly, after every epoch. The title shows the best value. "
        "If the task measures more metrics, press 3 again to show the next one; p chooses one by name, or several by a "
        "pattern.",
        "lrtui.tui.panes.metrics:AccuracyPane",
        is_chart=True,
        short_name="acc",
    ),
    PaneSpec(
        "log",
        "4",
        "Log",
        "The training log, with every change made during the run. It follows the end until you scroll up; press end "
        "to follow again. Select text with the mouse and copy it with ctrl+c.",
        "lrtui.tui.panes.log:LogPane",
    ),
    PaneSpec(
        "runs",
        "5",
        "Runs",
        "The runs of this session and of the store: state, schedule, best accuracy. Move the cursor to show a run; pin "
        "runs to draw them over it. lrtui watch also lists logs of other programs; the settings below say which series "
        "of a log is its loss, test loss, accuracy and lr, and why.",
        "lrtui.tui.run_list.pane:RunsPane",
        column="left",
    ),
)
"""In the order of their keys."""

PANES_BY_NAME: dict[str, PaneSpec] = {pane.name: pane for pane in PANES}

CHARTS: tuple[str, ...] = tuple(pane.name for pane in PANES if pane.is_chart)
"""Names of the panes that are charts."""

MIN_WIDTH, MIN_HEIGHT = 100, 30
"""Minimum size, in columns and lines, at which all panes are shown side by side."""

WIDE = 160
"""Width, in columns, from which the left side has more room."""


def fits_all_panes(width: int, height: int) -> bool:
    """Return whether all panes fit; otherwise one is shown at a time, under tabs."""
    return width >= MIN_WIDTH and height >= MIN_HEIGHT


def log_columns(width: int, height: int) -> int:
    """Return the columns of a line of the log in a terminal of this size."""
    # the left side with its border; the padding and the scrollbar of the log
    left = (54 if width >= WIDE else 40) if fits_all_panes(width, height) else 0
    return max(20, width - left - 3)
