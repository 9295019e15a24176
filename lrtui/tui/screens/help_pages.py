"""What help says of each pane before it comes to the keys."""

from __future__ import annotations

from lrtui.tui.layout import PaneName

PAGES: dict[PaneName, tuple[str, str]] = {
    "lr": (
        "Learning rate",
        "The lr that every step used, the optimizer's own; dotted what the schedule has in store. A triangle below "
        "the axis is a switch or a nudge. With several parameter groups each has a line.",
    ),
    "loss": (
        "Loss",
        "The training loss of every step: a band from least to most, and a smoothed line in it; the tests' losses "
        "are the dots. A kink stands right below the change of lr that made it.",
    ),
    "accuracy": (
        "Test accuracy",
        "The share of test samples that the model gets right, after every epoch; the best so far is in the rule.",
    ),
    "log": (
        "Log",
        "The lines that the tutorial prints, and what was changed in between. It follows the end until you scroll "
        "up; the end key follows again. Mark text with the mouse and copy it with ctrl+c.",
    ),
    "runs": (
        "Runs",
        "The runs of this session and of the store: what became of each, its schedule, its best accuracy. The "
        "cursor brings a run on screen, a mark draws it over the others.",
    ),
}
"""A title and a paragraph each."""
