"""Small dialogs: a question with a key for each answer, the lr of the next step, and the welcome of the first start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lrtui.text.format import four_digits


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    Args:
        key: the key that gives it, as Textual names it.
        title: the description of the answer.
        value: what the screen returns.
    """

    key: str
    title: str
    value: str | None


class ConfirmScreen(ModalScreen[str | None]):
    """Asks a question; returns the value of the choice whose key is pressed.

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
            key = "esc" if choice.key == "escape" else choice.key
            text.append(f"\n  {key:<6}", "bold").append(choice.title)
        with Vertical(classes="dialog"):
            yield Static(text)

    def on_key(self, event: Key) -> None:
        event.stop()
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
                return


def read_lr(text: str) -> float | str:
    """Return the lr in the text, or an error message."""
    try:
        lr = float(text)
    except ValueError:
        return "Not a number. Examples: 0.001, 1e-3" if text.strip() else "Enter a number such as 0.001"
    return lr if math.isfinite(lr) and lr >= 0 else "The lr must be finite and at least 0."


class SetLrScreen(ModalScreen[float | None]):
    """Asks for the lr of the next step; returns None to leave it unchanged.

    Args:
        current: lr of each parameter group now.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back", show=False)]

    def __init__(self, current: tuple[float, ...]) -> None:
        super().__init__()
        self._current = current

    def compose(self) -> ComposeResult:
        now = ", ".join(four_digits(lr) for lr in self._current)
        with Vertical(classes="dialog") as box:
            box.border_title = "Set the lr"
            yield Static(Text(f"The lr is {now} now. The rest of the schedule is scaled with it."), classes="quiet")
            yield Input(repr(self._current[0]) if self._current else "", id="lr")
            yield Static(id="wrong")
            yield Static("enter set   esc back", classes="quiet")

    def on_input_changed(self, event: Input.Changed) -> None:
        lr = read_lr(event.value)
        self.query_one("#wrong", Static).update(Text(lr if isinstance(lr, str) else ""))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        lr = read_lr(event.value)
        if isinstance(lr, float):
            self.dismiss(lr)


WELCOME = (
    "lrtui trains a model in this terminal and gives you control of its learning rate: preview the whole schedule "
    "before the run, watch its effect on loss and accuracy, and change it while the model trains.\n\n"
    "The built-in example is Fashion-MNIST with a small CNN, Adam(lr=0.01), and a schedule whose lr is close to zero "
    "after three epochs. Try to improve it."
)

FIRST_KEYS = (
    ("r", "start a run"),
    ("s", "choose a schedule, before or during a run"),
    ("?", "show all keys"),
)


class WelcomeScreen(ModalScreen[None]):
    """Welcomes the user on the first start; any key closes it."""

    CSS_PATH = "dialog.tcss"

    def compose(self) -> ComposeResult:
        text = Text(f"{WELCOME}\n\nThe first three keys:\n")
        for key, title in FIRST_KEYS:
            text.append(f"\n  {key}   ", "bold").append(title)
        with Vertical(id="welcome") as box:
            box.border_title = "lrtui"
            yield Static(text)
            yield Static("Press any key to continue.", classes="quiet")

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss(None)
