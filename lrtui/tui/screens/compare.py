"""Compares pinned runs: settings that differ, and results at equal epochs and equal times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.run.comparison import compare, difference_blocks, moment_blocks, result_block, time_after
from lrtui.run.events import GLYPHS
from lrtui.text.format import counted, printable
from lrtui.tui.panes.frame import Frame
from lrtui.tui.run_list.source_runs import ShownRun, label_of

POLL_SECONDS = 1.0

COLUMN_GAP = "    "

KEYS = "* and bold: best   seconds: training time without pauses   esc back"


def comparison_text(runs: Sequence[ShownRun], width: int) -> Text:
    """Return the page: differing settings, best results, and tables; titles and the best of each row in bold."""
    states, labels = [run.state for run in runs], [label_of(run) for run in runs]
    comparison = compare(states)
    blocks = [
        [_heading(run) for run in runs],
        *difference_blocks(labels, states, comparison),
        result_block(labels, states, comparison),
        *arrange_in_rows(moment_blocks(labels, states, comparison, width), width),
    ]
    text = Text("\n\n".join("\n".join(block) for block in blocks))
    text.highlight_regex(r"(?m)^[A-Za-z].*$|^#\d+|\S+\*(?=\s|$)", "bold")
    return text


def _heading(run: ShownRun) -> str:
    state = run.state
    schedule = printable(state.schedule or run.spec.schedule)
    status = f"waiting: {state.waiting_for}" if state.status == "waiting" else state.status
    schedule = f"{schedule}, " if schedule else ""
    time = time_after(state.elapsed, is_log=run.spec.is_log)
    return f"{label_of(run)} {GLYPHS[state.status]} {status}, {schedule}{counted(state.step, 'step')}{time}"


def arrange_in_rows(blocks: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Return rows of blocks, each row with as many blocks side by side as fit into the width."""
    rows: list[list[str]] = []
    row_width = width + 1
    for block in blocks:
        block_width = max(map(len, block))
        if row_width + len(COLUMN_GAP) + block_width > width:
            rows.append(list(block))
            row_width = block_width
        else:
            pairs = zip_longest(rows[-1], block, fillvalue="")
            rows[-1] = [f"{left:<{row_width}}{COLUMN_GAP}{right}".rstrip() for left, right in pairs]
            row_width += len(COLUMN_GAP) + block_width
    return rows


class CompareScreen(ModalScreen[None]):
    """Compares runs, and updates the page while they train.

    Args:
        runs: returns the runs.
    """

    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,q", "dismiss", "back", show=False)]

    def __init__(self, runs: Callable[[], Sequence[ShownRun]]) -> None:
        super().__init__()
        self._runs = runs
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        yield Frame("Compare", classes="-current")
        with VerticalScroll():
            yield Static(id="page")
        yield Static(KEYS, id="keys")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self.set_interval(POLL_SECONDS, self._update)

    def on_resize(self) -> None:
        self._update()

    def _update(self) -> None:
        runs = self._runs()
        width = max(20, self.size.width - 3)
        version = (width, [(run.number, id(run.state), run.state.version) for run in runs])
        if version == self._drawn:
            return
        self._drawn = version
        self.query_one(Frame).show("  ".join(map(label_of, runs)))
        self.query_one("#page", Static).update(comparison_text(runs, width))
