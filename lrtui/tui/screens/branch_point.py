"""Chooses the epoch after whose end a branch begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lrtui.run.events import EvalDone
from lrtui.text.numbers import four_digits


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


def epoch_lines(ends: Sequence[EpochEnd]) -> list[str]:
    """Return each epoch's line: where it was, its lr, aligned on the decimal point, and how the test went."""
    lrs = [four_digits(end.lrs[0]) if end.lrs else "" for end in ends]
    before = max((len(lr.partition(".")[0]) for lr in lrs), default=0)
    lrs = [" " * (before - len(lr.partition(".")[0])) + lr for lr in lrs]
    widest, steps = max(map(len, lrs), default=0), max((len(f"{end.step:,}") for end in ends), default=0)
    lines = []
    for end, lr in zip(ends, lrs, strict=True):
        line = f"epoch {end.epoch:>3}  step {end.step:>{steps},}  lr {lr:<{widest}}"
        if end.result is not None:
            line += f"  loss {end.result.loss:.4f}"
            if end.result.accuracy is not None:
                line += f"  acc {end.result.accuracy:.4f}"
        lines.append(line)
    return lines


class BranchPointScreen(ModalScreen[EpochEnd | None]):
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
                id="what",
            )
            lines = zip(self._ends, epoch_lines(self._ends), strict=True)
            yield OptionList(*(Option(Text(line, no_wrap=True), id=str(end.epoch)) for end, line in lines))
            yield Static("enter chooses the schedule   esc back", classes="quiet")

    def on_mount(self) -> None:
        """Begin with the latest."""
        self.query_one(OptionList).highlighted = len(self._ends) - 1

    def on_resize(self, event: Resize) -> None:
        """Leave out what a small screen has no room for."""
        self.set_class(event.size.height < 20, "-small")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Leave with the epoch."""
        self.dismiss(next(end for end in self._ends if str(end.epoch) == event.option_id))

    def action_leave(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
