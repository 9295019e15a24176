"""The first start: what this is, and three keys to press."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

WHAT = (
    "lrtui trains a model in this terminal and puts its learning rate in your hands: you see the whole schedule "
    "before it runs, watch what it does to loss and accuracy, and change it while it goes.\n\n"
    "It comes with a case: Fashion-MNIST, a small network, Adam at 0.01, and a schedule that is as good as dead "
    "after three epochs. You can save it."
)

KEYS = (
    ("r", "starts the run"),
    ("s", "chooses a schedule, before a run or while it goes"),
    ("?", "tells what every key does"),
)


class WelcomeScreen(ModalScreen[None]):
    """Says it once; any key goes on."""

    CSS_PATH = "welcome.tcss"

    def compose(self) -> ComposeResult:
        text = Text(f"{WHAT}\n\nThree keys to begin with:\n")
        for key, words in KEYS:
            text.append(f"\n  {key}   ", "bold")
            text.append(words)
        with Vertical(id="welcome") as box:
            box.border_title = "lrtui"
            yield Static(text)
            yield Static("any key goes on", classes="quiet")

    def on_key(self, event: Key) -> None:
        """Go on."""
        event.stop()
        self.dismiss(None)
