"""Asks for an lr."""

from __future__ import annotations

import math
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lrtui.text.numbers import four_digits


def read_lr(text: str) -> float | str:
    """Return the lr that the text stands for, or what is wrong with it."""
    try:
        lr = float(text)
    except ValueError:
        return "an lr is a number such as 0.001 or 1e-3" if text.strip() else "type a number such as 0.001"
    return lr if math.isfinite(lr) and lr >= 0 else "an lr is a finite number of at least 0"


class SetLrScreen(ModalScreen[float | None]):
    """Asks for the lr of the next step; returns None where the user leaves it as it is.

    Args:
        current: this moment's lr, one per parameter group.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back", show=False)]

    def __init__(self, current: tuple[float, ...]) -> None:
        super().__init__()
        self._current = current

    def compose(self) -> ComposeResult:
        now = ", ".join(four_digits(lr) for lr in self._current)
        with Vertical(classes="dialog") as box:
            box.border_title = "Set the lr"
            yield Static(Text(f"It is {now} now. The rest of the schedule follows in proportion."), classes="quiet")
            yield Input(repr(self._current[0]) if self._current else "", id="lr")
            yield Static(id="wrong")
            yield Static("enter sets it   esc leaves it", classes="quiet")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what is wrong while the user types."""
        lr = read_lr(event.value)
        self.query_one("#wrong", Static).update(Text(lr if isinstance(lr, str) else ""))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave with the lr, where it is one."""
        lr = read_lr(event.value)
        if isinstance(lr, float):
            self.dismiss(lr)

    def action_leave(self) -> None:
        """Leave the lr as it is."""
        self.dismiss(None)
