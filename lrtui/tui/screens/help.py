"""Help: what this is, what each key does, what the signs mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.actions import ACTIONS, key_rows
from lrtui.panes import PANES_BY_NAME
from lrtui.run.status import GLYPHS

ABOUT = (
    "lrtui trains a model beside a picture of its learning rate: as it will be, as it was, and what it did to the "
    "loss. Change the schedule while it runs and see what happens."
)

LONGEST = 43
"""Columns of the longest line of help on a key."""

TWO_COLUMNS = 2 * (LONGEST + 8) + 2

SIGNS = (
    ("⠒⠒⠒", "solid: what was"),
    ("⠂ ⠂", "dotted: what will be"),
    ("⠒⠒ ", "dashed: what a choice would make of it"),
    ("│", "now"),
    ("┊", "the cursor"),
    ("!", "a run diverged"),
    ("▲", "a switch or a nudge"),
    ("●", "a test; a letter each where several runs are drawn"),
)


def help_text(width: int, pane: str, keys: Mapping[str, str]) -> Text:
    """Return the page: the focused pane's own part first, then all keys, in two columns where they fit.

    Args:
        pane: the focused one.
        keys: those that the user has given to actions, by name.
    """
    spec = PANES_BY_NAME[pane]
    text = Text(f"{spec.title}\n", "bold")
    text.append(f"{spec.help}\n", "not bold")
    own = [action for action in ACTIONS if pane in action.panes]
    _rows(text, key_rows(keys, own), width)
    text.append("\nEverywhere\n")
    text.append(f"{ABOUT}\n", "not bold")
    _rows(text, key_rows(keys, [action for action in ACTIONS if pane not in action.panes]), width)
    text.append("\n")
    for sign, words in SIGNS:
        _row(text, sign, words, 8, 0)
        text.append("\n")
    text.append("\n")
    text.append("  ".join(f"{glyph} {status}" for status, glyph in GLYPHS.items()), "not bold")
    return text


def _rows(text: Text, table: list[tuple[list[str], str]], width: int) -> None:
    rows = [(" ".join(keys), words) for keys, words in table]
    if width >= TWO_COLUMNS:
        half = -(-len(rows) // 2)
        rows_beside = [*rows[half:], ("", "")][:half]
        for (keys, words), (keys_beside, words_beside) in zip(rows[:half], rows_beside, strict=True):
            _row(text, keys, words, 8, LONGEST)
            _row(text, keys_beside, words_beside, 8, 0)
            text.append("\n")
    else:
        for keys, words in rows:
            _row(text, keys, words, 10, 0)
            text.append("\n")


def _row(text: Text, keys: str, words: str, key_width: int, width: int) -> None:
    text.append(f"{keys:<{key_width}}", "bold")
    text.append(f"{words:<{width}}  ", "not bold")


class HelpScreen(ModalScreen[None]):
    """Shows the page until a key closes it.

    Args:
        pane: the focused one, whose part comes first.
        keys: those that the user has given to actions, by name.
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
            box.border_subtitle = "esc closes"
            yield Static(help_text(self._text_width, self._pane, self._keys))

    @property
    def _text_width(self) -> int:
        return min(112, self.app.size.width) - 8

    def on_mount(self) -> None:
        """Let the arrow keys scroll the page."""
        self.query_one("#help-box").focus()

    def on_resize(self) -> None:
        """Write the page in the width that there is now."""
        self.query_one(Static).update(help_text(self._text_width, self._pane, self._keys))
