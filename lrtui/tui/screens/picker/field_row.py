"""A field of the picker's form."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from lrtui.tui.screens.picker.model import Field


class FieldRow(Vertical):
    """A field of the form: name, text, and what is wrong with it."""

    def __init__(self, field: Field) -> None:
        super().__init__(classes="field")
        self.field = field

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Label(self.field.name, classes="field-name")
            yield Input(self.field.text, placeholder=self.field.hint, id=f"field-{self.field.name}")
        yield Static("", classes="field-error")

    def show(self, field: Field, *, typing_too: bool = False) -> None:
        """Follow the model, but leave alone what the user is typing into.

        Args:
            typing_too: whether that follows as well.
        """
        self.field = field
        box = self.query_one(Input)
        box.placeholder = field.hint
        if (typing_too or not box.has_focus) and box.value != field.text:
            with self.prevent(Input.Changed):
                box.value = field.text
        self.set_class(bool(field.error), "-wrong")
        self.query_one(".field-error", Static).update(Text(field.error))
