"""Asks for the epoch after which a branch starts."""

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

from lrtui.run.evaluations import ACCURACY, LOSS, metric_of
from lrtui.run.events import EvalDone
from lrtui.run.spec import trained_lr
from lrtui.text.format import four_digits, printable


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """The end of an epoch that has a checkpoint.

    Args:
        epoch: number of the epoch, from 1.
        step: optimizer steps done.
        seq: sequence number of the last event before the checkpoint.
        lrs: lrs of each parameter group at the end of the epoch.
        result: result of the test that ended the epoch; None if there was none.
        metric: the metric that decides which result is the best.
    """

    epoch: int
    step: int
    seq: int
    lrs: tuple[float, ...]
    result: EvalDone | None
    metric: str = ACCURACY


def epoch_lines(ends: Sequence[EpochEnd]) -> list[str]:
    """Return a line for each epoch: step, lr aligned on the decimal point, and test result."""
    lrs = [four_digits(trained_lr(end.lrs)) if end.lrs else "" for end in ends]
    integer_width = max((len(lr.partition(".")[0]) for lr in lrs), default=0)
    lrs = [" " * (integer_width - len(lr.partition(".")[0])) + lr for lr in lrs]
    lr_width = max(map(len, lrs), default=0)
    step_width = max((len(f"{end.step:,}") for end in ends), default=0)
    lines = []
    for end, lr in zip(ends, lrs, strict=True):
        line = f"epoch {end.epoch:>3}  step {end.step:>{step_width},}  lr {lr:<{lr_width}}"
        if end.result is not None:
            line += "" if end.result.loss is None else f"  loss {end.result.loss:.4f}"
            if end.metric != LOSS and (value := metric_of(end.result, end.metric)) is not None:
                is_accuracy = end.metric == ACCURACY
                line += f"  acc {value:.4f}" if is_accuracy else f"  {printable(end.metric)} {four_digits(value)}"
        lines.append(line)
    return lines


class BranchPointScreen(ModalScreen[EpochEnd | None]):
    """Lists the epochs of a run; returns the selected one.

    Args:
        number: number of the run.
        ends: the epochs that have a checkpoint, in order.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back", show=False)]

    def __init__(self, number: int, ends: tuple[EpochEnd, ...]) -> None:
        super().__init__()
        self._number, self._ends = number, ends

    def compose(self) -> ComposeResult:
        about = (
            "The new run starts with the weights from the end of an epoch, and continues with a schedule you choose."
        )
        with Vertical(classes="dialog") as box:
            box.border_title = f"Branch from run {self._number}"
            yield Static(Text(about), classes="quiet", id="what")
            lines = zip(self._ends, epoch_lines(self._ends), strict=True)
            yield OptionList(*(Option(Text(line, no_wrap=True), id=str(end.epoch)) for end, line in lines))
            yield Static("enter choose a schedule   esc back", classes="quiet")

    def on_mount(self) -> None:
        self.query_one(OptionList).highlighted = len(self._ends) - 1

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < 20, "-small")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(next(end for end in self._ends if str(end.epoch) == event.option_id))
