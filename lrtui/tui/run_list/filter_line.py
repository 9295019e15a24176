"""The line under a list where its filter is written."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static


class FilterLine(Vertical):
    """A field for the filter, and what is wrong with it; it takes no room while there is none."""

    DEFAULT_CSS = """
    FilterLine { height: auto; display: none; }
    FilterLine.-open { display: block; }
    FilterLine Input, FilterLine Input:focus { border: none; padding: 0 1; height: 1; background: $surface; }
    FilterLine Static { height: auto; max-height: 3; padding: 0 1; color: $warning; display: none; }
    FilterLine.-wrong Static { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "take_back", "no filter", show=False),
        Binding("enter,down", "leave", "to the list", show=False),
    ]

    class Left(Message):
        """The user goes back to the list."""

    def __init__(self, placeholder: str = "best>0.9 schedule~Cosine state=done") -> None:
        super().__init__()
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        yield Input(placeholder=self._placeholder)
        yield Static()

    def open(self) -> None:
        """Show the field and let the user write."""
        self.add_class("-open")
        self.query_one(Input).focus()

    def say(self, wrong: str) -> None:
        """Say what is wrong with the filter; nothing where it is right."""
        self.set_class(bool(wrong), "-wrong")
        self.query_one(Static).update(Text(wrong))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter."""
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Go back to the list with the filter as it is; without one the field goes."""
        self.set_class(bool(self.query_one(Input).value.strip()), "-open")
        self.post_message(self.Left())

    def action_take_back(self) -> None:
        """Go back to the list without a filter."""
        self.query_one(Input).value = ""
        self.action_leave()
