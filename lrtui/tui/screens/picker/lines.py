"""The picker's lower part: the table of candidates, the notation, what there is to say of it, and the keys."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from lrtui.tui.screens.picker.state import PickerState
from lrtui.tui.screens.picker.table import table_lines
from lrtui.tui.screens.picker.verdict import Verdict


class PickerLines(Vertical):
    """The lines.

    Args:
        notation: to begin with.
        keys: in two lines.
        base_lr: the optimizer's own lr, of the first parameter group.
    """

    def __init__(self, notation: str, keys: str, base_lr: float, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._first_notation, self._keys, self._base_lr = notation, keys, base_lr
        self._verdict = Verdict()

    def compose(self) -> ComposeResult:
        yield Static(id="table")
        with Horizontal(id="notation-row"):
            yield Label("notation", classes="caption")
            yield Input(self._first_notation, id="notation")
        yield Static(id="verdict")
        yield Static(id="help")
        yield Static(Text(self._keys, no_wrap=True, overflow="ellipsis"), id="keys")

    def show_notation(self, text: str, *, typing_too: bool = False) -> None:
        """Follow the model, but leave alone what the user is typing into.

        Args:
            typing_too: whether that follows as well.
        """
        box = self.query_one("#notation", Input)
        if (typing_too or not box.has_focus) and box.value != text:
            with self.prevent(Input.Changed):
                box.value = text

    def show(self, state: PickerState) -> None:
        """Show what there is to say of the schedule, and how it compares with the candidates."""
        self._verdict = state.verdict
        table = self.query_one("#table", Static)
        table.display = len(state.candidates) > 0
        chosen = state.candidate or state.question
        table.update(table_lines(state.candidates, chosen, state.current, self._base_lr, self._width))
        self._show_verdict()

    def on_resize(self) -> None:
        """Write what there is to say in the room that there is now."""
        self.call_after_refresh(self._show_verdict)

    def _show_verdict(self) -> None:
        verdict, box = self._verdict, self.query_one("#verdict", Static)
        box.set_class(verdict.error is not None, "-wrong")
        box.set_class(bool(verdict.findings), "-found")
        box.update(verdict.lines(self._width, max(1, box.size.height)))

    @property
    def _width(self) -> int:
        # before the first layout there is none
        return self.content_size.width or 76

    def say(self, words: str, *, refused: bool = False) -> None:
        """Put words in the line that else says what the focused field is for.

        Args:
            refused: whether they say why a key did nothing.
        """
        line = self.query_one("#help", Static)
        line.set_class(refused, "-refused")
        line.update(Text(words, no_wrap=True, overflow="ellipsis"))
        if refused:
            self.app.bell()
