"""Marked runs beside each other: what differs in their settings, their results at equal epochs and equal seconds."""

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

from lrtui.run.comparison import compare
from lrtui.run.comparison_lines import difference_blocks, moment_blocks, result_block
from lrtui.run.status import GLYPHS
from lrtui.text.format import printable
from lrtui.text.numbers import duration
from lrtui.tui.panes.frame import Frame
from lrtui.tui.run_list.shown_run import ShownRun

LOOK_SECONDS = 1.0
"""Between two looks at whether the runs have said more."""

BETWEEN = "    "
"""What stands between two tables."""

KEYS = "* and bold: the best   seconds are training time, pauses left out   esc back"


def comparison_text(runs: Sequence[ShownRun], width: int) -> Text:
    """Return the page: what differs, the best results, then tables beside each other; each row's best in bold."""
    states, labels = [run.state for run in runs], [f"#{run.number}" for run in runs]
    comparison = compare(states)
    heads = [_head(run) for run in runs]
    blocks = [
        heads,
        *difference_blocks(labels, states, comparison),
        result_block(labels, states, comparison),
        *beside_each_other(moment_blocks(labels, comparison, width), width),
    ]
    text = Text("\n\n".join("\n".join(block) for block in blocks))
    text.highlight_regex(r"(?m)^[a-z].*$|^#\d+|\S+\*(?=\s|$)", "bold")
    return text


def _head(run: ShownRun) -> str:
    state = run.state
    schedule = printable(state.schedule or run.spec.schedule)
    words = f"waiting: {state.waiting_for}" if state.started is None and state.is_live else state.status
    return f"#{run.number} {GLYPHS[state.status]} {words}, {schedule}, {state.step:,} steps, {duration(state.elapsed)}"


def beside_each_other(blocks: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Return the blocks in rows, as many beside each other as the width has room for."""
    rows: list[list[str]] = []
    taken = width + 1
    for block in blocks:
        columns = max(map(len, block))
        if taken + len(BETWEEN) + columns > width:
            rows.append(list(block))
        else:
            beside = zip_longest(rows[-1], block, fillvalue="")
            rows[-1] = [f"{left:<{taken}}{BETWEEN}{right}".rstrip() for left, right in beside]
            columns += taken + len(BETWEEN)
        taken = columns
    return rows


class CompareScreen(ModalScreen[None]):
    """Shows how runs compare, as long as they go on as they are now.

    Args:
        runs: returns them.
    """

    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,c,q", "leave", "back", show=False)]

    def __init__(self, runs: Callable[[], Sequence[ShownRun]]) -> None:
        super().__init__()
        self._runs = runs
        self._stamp: object = None

    def compose(self) -> ComposeResult:
        yield Frame("Compare", classes="-current")
        with VerticalScroll():
            yield Static(id="page")
        yield Static(KEYS, id="keys")

    def on_mount(self) -> None:
        """Show the page, let the arrow keys scroll it, and keep it up to date."""
        self.query_one(VerticalScroll).focus()
        self.set_interval(LOOK_SECONDS, self._write)

    def on_resize(self) -> None:
        """Write the page in the width that there is now."""
        self._write()

    def _write(self) -> None:
        runs = self._runs()
        width = max(20, self.size.width - 3)
        stamp = (width, [(run.number, id(run.state), run.state.version) for run in runs])
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self.query_one(Frame).show("  ".join(f"#{run.number}" for run in runs))
        self.query_one("#page", Static).update(comparison_text(runs, width))

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
