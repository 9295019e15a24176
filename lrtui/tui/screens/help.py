"""The help page: the focused pane, all keys, and the meaning of the marks on the charts."""

from __future__ import annotations

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
    ("⠒⠒ ", "dashed: the schedule being chosen"),
    ("│", "now"),
    ("┊", "cursor"),
    ("!", "the run diverged"),
    ("▲", "switch or nudge"),
    ("●", "test result; a letter for each run if several are drawn"),
)

KEY_WIDTH = 8

HELP_WIDTH = max(len(action.help) for action in ACTIONS)


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
    rows = [(" ".join(keys), title) for keys, title in table]
    has_two_columns = width >= 2 * (KEY_WIDTH + HELP_WIDTH + 1)
    half = -(-len(rows) // 2) if has_two_columns else len(rows)
    key_width = KEY_WIDTH if has_two_columns else KEY_WIDTH + 2
    for left, right in zip_longest(rows[:half], rows[half:]):
        text.append(f"{left[0]:<{key_width}}", "bold").append(f"{left[1]}  ", "not bold")
        if right is not None:
            text.append(" " * (HELP_WIDTH - len(left[1])))
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
