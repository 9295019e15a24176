"""A question with a few answers, one key each."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    Args:
        key: that gives it, as Textual names it.
        title: what it does.
        value: what the screen returns.
    """

    key: str
    title: str
    value: str | None


class ConfirmScreen(ModalScreen[str | None]):
    """Asks; returns the value of the choice whose key is pressed.

    Args:
        question: one or two sentences.
        choices: the answers; one of them should be `escape`.
    """

    CSS_PATH = "dialog.tcss"

    def __init__(self, question: str, choices: tuple[Choice, ...]) -> None:
        super().__init__()
        self._question, self._choices = question, choices

    def compose(self) -> ComposeResult:
        text = Text(f"{self._question}\n")
        for choice in self._choices:
            shown = "esc" if choice.key == "escape" else choice.key
            text.append(f"\n  {shown:<6}", "bold")
            text.append(choice.title)
        with Vertical(classes="dialog"):
            yield Static(text)

    def on_key(self, event: Key) -> None:
        """Answer, if the key is one of the choices'."""
        event.stop()
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
                return
