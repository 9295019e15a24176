"""Chooses the epoch after whose end a branch begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lrtui.run.events import EvalDone
from lrtui.run.numbers import four_digits


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """An epoch's end that has a checkpoint.

    Args:
        epoch: from 1.
        step: optimizer steps done.
        seq: of the last event told before the checkpoint.
        lrs: what the epoch ended with.
        result: of the test then, where there is one.
    """

    epoch: int
    step: int
    seq: int
    lrs: tuple[float, ...]
    result: EvalDone | None


def epoch_line(end: EpochEnd) -> str:
    """Return the epoch's line: where it was, its lr, and how the test went."""
    line = f"epoch {end.epoch:>3}  step {end.step:>9,}  lr {four_digits(end.lrs[0]):>9}" if end.lrs else ""
    if end.result is not None:
        line += f"  loss {end.result.loss:.4f}"
        if end.result.accuracy is not None:
            line += f"  acc {end.result.accuracy:.4f}"
    return line


class WhereToBranchScreen(ModalScreen[EpochEnd | None]):
    """Lists the epochs; returns the one that is chosen.

    Args:
        number: the run's.
        schedule: in force at its end.
        ends: the epochs that have a checkpoint, the earliest first.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "back", show=False)]

    def __init__(self, number: int, schedule: str, ends: tuple[EpochEnd, ...]) -> None:
        super().__init__()
        self._number, self._schedule, self._ends = number, schedule, ends

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = f"Branch from run #{self._number}"
            yield Static(
                Text(
                    "A new run with its weights as they were after an epoch, and a schedule of your choice from there."
                ),
                classes="quiet",
            )
            yield OptionList(*(Option(Text(epoch_line(end), no_wrap=True), id=str(end.epoch)) for end in self._ends))
            yield Static("enter chooses the schedule   esc back", classes="quiet")

    def on_mount(self) -> None:
        """Begin with the latest."""
        self.query_one(OptionList).highlighted = len(self._ends) - 1

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Leave with the epoch."""
        self.dismiss(next(end for end in self._ends if str(end.epoch) == event.option_id))

    def action_leave(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
