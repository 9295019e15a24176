"""Asks for the number of seeds of a race, and shows how long it would take."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.text.format import counted, cut, duration, printable
from lrtui.tui.screens.picker.state import RaceEstimate

MAX_SEEDS = 5
DEFAULT_SEEDS = 3
WIDTH = 68


def race_text(schedules: Sequence[str], seeds: int, epochs: int, estimate: RaceEstimate) -> Text:
    """Return the text of the dialog: the schedules, the number of runs, and the estimated time.

    Args:
        schedules: notations, the baseline first.
        seeds: number of seeds.
        epochs: epochs of each run.
        estimate: has the time per epoch.
    """
    text = Text("Each schedule is trained once per seed, with the same initial\nweights and data order.\n\n")
    for number, schedule in enumerate(schedules, start=1):
        text.append(cut(f"  {number}  {printable(schedule)}", WIDTH) + "\n")
    text.append("The first schedule is the baseline.\n\nseeds  ")
    for count in range(1, MAX_SEEDS + 1):
        text.append(f"[{count}]" if count == seeds else f" {count} ", "bold" if count == seeds else "")
    runs = len(schedules) * seeds
    text.append(f"\n\n{counted(runs, 'run')} of {counted(epochs, 'epoch')}: ", "bold")
    if estimate.epoch_seconds is None:
        text.append("time unknown before the first run")
    else:
        total = duration(runs * epochs * estimate.epoch_seconds)
        text.append(f"about {total} at the speed of run {estimate.measured_on}")
    text.append("\nSchedules that fall far behind are stopped early.")
    if seeds == 1:
        text.append("\nWith one seed, differences may be due to chance.")
    keys = {
        "enter": "start in a background process, which continues when you quit",
        f"1-{MAX_SEEDS}": "number of seeds; also ← →",
        "esc": "back to the schedules",
    }
    text.append("\n")
    for key, title in keys.items():
        text.append(f"\n  {key:<7}", "bold").append(title)
    return text


class RaceScreen(ModalScreen[int | None]):
    """Asks for the number of seeds; returns it, or None.

    Args:
        schedules: notations, the baseline first.
        epochs: epochs of each run.
        estimate: has the time per epoch.
    """

    CSS_PATH = "dialog.tcss"

    def __init__(self, schedules: Sequence[str], epochs: int, estimate: RaceEstimate) -> None:
        super().__init__()
        self._schedules, self._epochs, self._estimate = schedules, epochs, estimate
        self._seeds = DEFAULT_SEEDS

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = f"Race {counted(len(self._schedules), 'schedule')}"
            yield Static(self._text)

    @property
    def _text(self) -> Text:
        return race_text(self._schedules, self._seeds, self._epochs, self._estimate)

    def on_key(self, event: Key) -> None:
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
        elif event.key == "enter":
            self.dismiss(self._seeds)
        else:
            change = {"left": -1, "right": 1, "minus": -1, "plus": 1}.get(event.key, 0)
            seeds = int(event.key) if event.key in "12345" else self._seeds + change
            self._seeds = min(max(seeds, 1), MAX_SEEDS)
            self.query_one(Static).update(self._text)
