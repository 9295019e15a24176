"""The input line for a filter, under a list or a log."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static


class FilterLine(Vertical):
    """An input for the filter, with an error message; hidden while there is no filter."""

    DEFAULT_CSS = """
    FilterLine { height: auto; display: none; }
    FilterLine.-open { display: block; }
    FilterLine Input, FilterLine Input:focus { border: none; padding: 0 1; height: 1; background: $surface; }
    FilterLine Static { height: auto; max-height: 3; padding: 0 1; color: $warning; display: none; }
    FilterLine.-wrong Static { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "clear", "clear", show=False),
        Binding("enter,down", "leave", "to the list", show=False),
    ]

    class Left(Message):
        """The user returns to the list."""

    def __init__(self, placeholder: str = "cosine best>0.9 state=done") -> None:
        super().__init__()
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        yield Input(placeholder=self._placeholder)
        yield Static()

    def open(self) -> None:
        """Show the input and focus it."""
        self.add_class("-open")
        self.query_one(Input).focus()

    def show_error(self, error: str) -> None:
        """Show an error message; hide it if `error` is empty."""
        self.set_class(bool(error), "-wrong")
        self.query_one(Static).update(Text(error))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and return to the list."""
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Return to the list and keep the filter; an empty input is hidden."""
        self.set_class(bool(self.query_one(Input).value.strip()), "-open")
        self.post_message(self.Left())

    def action_clear(self) -> None:
        """Return to the list without a filter."""
        self.query_one(Input).value = ""
        self.action_leave()
