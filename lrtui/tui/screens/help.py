"""The help page: the focused pane, all keys, and the meaning of the marks on the charts."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from itertools import zip_longest
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.actions import ACTIONS, key_rows
from lrtui.panes import PANES_BY_NAME
from lrtui.run.events import GLYPHS

ABOUT = (
    "lrtui trains a model and shows its learning rate: the lr so far, the rest of the schedule, and the effect on the "
    "loss. Change the schedule while the model trains, and watch the effect."
)

MARKS = (
    ("⠒⠒⠒", "solid: past steps"),
    ("⠂ ⠂", "dotted: the rest of the schedule"),
    ("⠒⠒ ", "dashed: the schedule being chosen; in grey, the course before the last change"),
    ("│", "now"),
    ("┊", "cursor"),
    ("!", "the run diverged"),
    ("▲ ▾", "switch or nudge, with its name in the lr chart"),
    ("↑", "a value above the chart"),
    ("●", "test result; a letter for each run if several are drawn"),
)

KEY_WIDTH = 8

TWO_COLUMNS_WIDTH = 96
"""Minimum width, in columns, of a page with two columns of keys."""

GAP = 2
"""Columns between two columns of keys."""


def help_text(width: int, pane: str, keys: Mapping[str, str]) -> Text:
    """Return the page: the focused pane and its keys first, then all other keys, in two columns if they fit.

    Args:
        width: width in columns.
        pane: name of the focused pane.
        keys: the user's own keys, by action name.
    """
    spec = PANES_BY_NAME[pane]
    text = Text(f"{spec.title}\n", "bold")
    text.append(f"{spec.help}\n", "not bold")
    _append_keys(text, key_rows(keys, [action for action in ACTIONS if pane in action.panes]), width)
    text.append("\nEverywhere\n")
    text.append(f"{ABOUT}\n", "not bold")
    _append_keys(text, key_rows(keys, [action for action in ACTIONS if pane not in action.panes]), width)
    text.append("\n")
    for mark, meaning in MARKS:
        text.append(f"{mark:<{KEY_WIDTH}}", "bold").append(f"{meaning}  \n", "not bold")
    text.append("\n")
    text.append("  ".join(f"{glyph} {status}" for status, glyph in GLYPHS.items()), "not bold")
    return text


def _append_keys(text: Text, table: list[tuple[list[str], str]], width: int) -> None:
    """Append the keys with their help, wrapped in its column."""
    rows = [(" ".join(keys), title) for keys, title in table]
    count = 2 if width >= TWO_COLUMNS_WIDTH else 1
    column = (width - GAP * (count - 1)) // count
    key_width = max(KEY_WIDTH, 2 + max((len(keys) for keys, _ in rows), default=0))
    lines = [
        (keys if index == 0 else "", part)
        for keys, title in rows
        for index, part in enumerate(textwrap.wrap(title, max(8, column - key_width)))
    ]
    half = -(-len(lines) // count)
    # an entry is not divided between the columns
    while half < len(lines) and not lines[half][0]:
        half += 1
    for left, right in zip_longest(lines[:half], lines[half:]):
        text.append(f"{left[0]:<{key_width}}", "bold").append(left[1], "not bold")
        if right is not None:
            text.append(" " * (column - key_width - len(left[1]) + GAP))
            text.append(f"{right[0]:<{key_width}}", "bold").append(right[1], "not bold")
        text.append("\n")


class HelpScreen(ModalScreen[None]):
    """Shows the help page.

    Args:
        pane: name of the focused pane.
        keys: the user's own keys, by action name.
    """

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "back", show=False),
    ]

    def __init__(self, pane: str, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._pane, self._keys = pane, keys

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help-box", classes="help-page") as box:
            box.border_title = "Help"
            box.border_subtitle = "↑ ↓ scroll   esc back"
            yield Static(help_text(self._text_width, self._pane, self._keys))

    @property
    def _text_width(self) -> int:
        return min(112, self.app.size.width) - 8

    def on_mount(self) -> None:
        self.query_one("#help-box").focus()

    def on_resize(self) -> None:
        self.query_one(Static).update(help_text(self._text_width, self._pane, self._keys))
