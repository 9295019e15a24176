"""Small dialogs: a question with a key for each answer, the lr of the next step, and the welcome of the first start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Click, Key
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from lrtui.actions import ACTIONS_BY_NAME, KEY_LABELS
from lrtui.run.spec import trained_lr
from lrtui.text.format import four_digits

POLL_SECONDS = 0.25
"""Interval in seconds at which an open dialog checks whether its question still makes sense."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    Args:
        key: the key for this answer, as Textual names it.
        title: the description of the answer.
        value: what the screen returns.
    """

    key: str
    title: str
    value: str | None


class ChoiceLine(Static):
    """The line of a choice, which can also be clicked.

    Args:
        choice: the choice.
    """

    def __init__(self, choice: Choice) -> None:
        key = KEY_LABELS.get(choice.key, choice.key)
        super().__init__(Text(f"  {key:<6}", "bold").append(choice.title, "not bold"))
        self._choice = choice

    def on_click(self, event: Click) -> None:
        """Give the answer."""
        event.stop()
        self.screen.dismiss(self._choice.value)


class ConfirmScreen(ModalScreen[str | None]):
    """Asks a question; returns the value of the choice whose key is pressed.

    Args:
        question: one or two sentences.
        choices: the answers; one of them should be `escape`.
        is_open: whether the question still makes sense; the dialog closes by itself when it no longer does.
    """

    CSS_PATH = "dialog.tcss"

    def __init__(self, question: str, choices: tuple[Choice, ...], is_open: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self._question, self._choices, self._is_open = question, choices, is_open

    def on_mount(self) -> None:
        if self._is_open is not None:
            self.set_interval(POLL_SECONDS, self._close_if_settled)

    def _close_if_settled(self) -> None:
        # a dialog on top of this one closes first
        if self.is_active and self._is_open is not None and not self._is_open():
            self.dismiss(None)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Text(f"{self._question}\n"))
            for choice in self._choices:
                yield ChoiceLine(choice)

    def on_key(self, event: Key) -> None:
        event.stop()
        for choice in self._choices:
            if event.key == choice.key:
                self.dismiss(choice.value)
                return
        key = KEY_LABELS.get(event.key, event.key)
        self.query_one(".dialog").border_subtitle = f"{key} is none of these keys"


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
        current: returns the lr of each parameter group now; nothing once the run has ended, which closes the dialog.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back", show=False)]

    def __init__(self, current: Callable[[], tuple[float, ...]]) -> None:
        super().__init__()
        self._current = current
        self._now = current()

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Set the lr"
            yield Static(self._about, id="now", classes="quiet")
            yield Input(f"{trained_lr(self._now):.6g}" if self._now else "", id="lr")
            yield Static(id="wrong")
            yield Static("enter set   esc back", classes="quiet")

    @property
    def _about(self) -> Text:
        now = ", ".join(four_digits(lr) for lr in self._now)
        return Text(f"The lr is {now} now. The rest of the schedule is scaled with it.")

    def on_mount(self) -> None:
        self.set_interval(POLL_SECONDS, self._update)

    def _update(self) -> None:
        now = self._current()
        if not now and self._now:
            self.dismiss(None)
        elif now != self._now:
            self._now = now
            self.query_one("#now", Static).update(self._about)

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

FIRST_ACTIONS = {
    "restart": "start a run",
    "schedule": "choose a schedule, before or during a run",
    "help": "show all keys",
}
"""Actions that the welcome introduces, by name; their keys also work while it is open."""


class WelcomeScreen(ModalScreen[str | None]):
    """Welcomes the user on the first start; any key closes it.

    Returns the name of the action whose key was pressed, if the welcome introduces that action, or `quit`.

    Args:
        keys: the user's own keys, by action name.
    """

    CSS_PATH = "dialog.tcss"

    def __init__(self, keys: Mapping[str, str]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        text = Text(f"{WELCOME}\n\nThe first three keys:\n")
        for name, title in FIRST_ACTIONS.items():
            text.append(f"\n  {ACTIONS_BY_NAME[name].key(self._keys)}   ", "bold").append(title)
        with Vertical(id="welcome") as box:
            box.border_title = "lrtui"
            yield Static(text)
            yield Static("Press one of them, or any other key to continue.", classes="quiet")

    def on_key(self, event: Key) -> None:
        event.stop()
        names = (name for name in (*FIRST_ACTIONS, "quit") if event.key in ACTIONS_BY_NAME[name].bound_keys(self._keys))
        self.dismiss(next(names, None))
