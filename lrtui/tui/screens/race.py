"""What a race from the picker would take, and with how many seeds it shall be."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.text.format import counted, cut, printable
from lrtui.text.numbers import duration
from lrtui.tui.screens.picker.choice import RaceEstimate

MOST_SEEDS = 5
USUAL_SEEDS = 3
WIDTH = 68


def race_lines(schedules: Sequence[str], seeds: int, epochs: int, terms: RaceEstimate) -> Text:
    """Return the question: what would race, how many runs that makes, and how long they take at the pace so far.

    Args:
        schedules: notations, the first being what the others are measured against.
        seeds: how many.
        epochs: of each run.
        terms: what is known of such runs.
    """
    text = Text("Every schedule is trained with every seed, from the same weights\nand on the same data order.\n\n")
    for number, schedule in enumerate(schedules, start=1):
        text.append(cut(f"  {number}  {printable(schedule)}", WIDTH) + "\n")
    text.append("The others are measured against the first.\n\nseeds  ")
    for count in range(1, MOST_SEEDS + 1):
        text.append(f"[{count}]" if count == seeds else f" {count} ", "bold" if count == seeds else "")
    runs = len(schedules) * seeds
    text.append(f"\n\n{counted(runs, 'run')} of {counted(epochs, 'epoch')}: ", "bold")
    if terms.epoch_seconds is None:
        text.append("no run tells yet how long that takes")
    else:
        text.append(f"about {duration(runs * epochs * terms.epoch_seconds)} at the pace of run #{terms.paced_by}")
    text.append("\nSchedules that have fallen hopelessly behind are stopped early.")
    if seeds == 1:
        text.append("\nOne seed can't tell merit from luck.")
    text.append(f"\n\n  {'enter':<7}", "bold")
    text.append("begin, in a process of its own: it outlives this screen")
    text.append(f"\n  {f'1-{MOST_SEEDS}':<7}", "bold")
    text.append("how many seeds; ← → too")
    text.append(f"\n  {'esc':<7}", "bold")
    return text.append("back to the schedules")


class RaceScreen(ModalScreen[int | None]):
    """Asks with how many seeds to race; returns their number, or None.

    Args:
        schedules: notations, the first being what the others are measured against.
        epochs: of each run.
        terms: what is known of such runs.
    """

    CSS_PATH = "race.tcss"

    def __init__(self, schedules: Sequence[str], epochs: int, terms: RaceEstimate) -> None:
        super().__init__()
        self._schedules, self._epochs, self._terms = schedules, epochs, terms
        self._seeds = USUAL_SEEDS

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = f"Race {counted(len(self._schedules), 'schedule')}"
            yield Static(self._lines)

    @property
    def _lines(self) -> Text:
        return race_lines(self._schedules, self._seeds, self._epochs, self._terms)

    def on_key(self, event: Key) -> None:
        """Take another number of seeds, or answer."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)
        elif event.key == "enter":
            self.dismiss(self._seeds)
        else:
            by = {"left": -1, "right": 1, "minus": -1, "plus": 1}.get(event.key, 0)
            wanted = int(event.key) if event.key in "12345" else self._seeds + by
            self._seeds = min(max(wanted, 1), MOST_SEEDS)
            self.query_one(Static).update(self._lines)
