"""Asks which metrics have panes, by a pattern, and which of them is in the accuracy pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from lrtui.run.name_pattern import name_matches
from lrtui.text.format import cut, printable, width_of

WIDTH = 65
"""Width of a line of the list, in columns."""

KEYS = "↑ ↓ choose   enter show it, panes for all that match   esc back"

NO_MATCH = "No metric matches. A word with * or ? matches whole names only."


@dataclass(frozen=True, slots=True)
class MetricChoice:
    """The user's choice.

    Args:
        pattern: of the metrics that have panes, see `name_matches`.
        metric: name of the one in the accuracy pane.
    """

    pattern: str
    metric: str


class MetricsScreen(ModalScreen[MetricChoice | None]):
    """Lists metrics with their latest values, those that match what the user types.

    Args:
        rows: returns the name and the latest value of each metric.
        pattern: the present pattern.
        shown: name of the metric in the accuracy pane.
    """

    CSS_PATH = "dialog.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("down", "move(1)", show=False),
        Binding("up", "move(-1)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("pageup", "move(-10)", show=False),
    ]

    def __init__(self, rows: Callable[[], Sequence[tuple[str, str]]], pattern: str, shown: str) -> None:
        super().__init__()
        self._rows, self._pattern, self._shown = rows, pattern, shown
        self._matching: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            box.border_title = "Metrics"
            yield Input(self._pattern, placeholder="a part of a name, or a pattern: grad* !*bias")
            yield OptionList()
            yield Static(KEYS, classes="quiet")

    def on_mount(self) -> None:
        # the keys of the list work while the user types
        self.query_one(OptionList).can_focus = False
        self.query_one(Input).focus()
        self._show()

    @on(Input.Changed)
    def _show(self) -> None:
        """List the metrics that match."""
        pattern, rows = self.query_one(Input).value, self._rows()
        options = self.query_one(OptionList)
        matching = [(name, value) for name, value in rows if name_matches(pattern, name)]
        self._matching = [name for name, _ in matching]
        options.clear_options()
        options.add_options([Option(_line(name, value)) for name, value in matching])
        if not matching:
            options.add_option(Option(Text(NO_MATCH), disabled=True))
        elif pattern == self._pattern and self._shown in self._matching:
            options.highlighted = self._matching.index(self._shown)
        else:
            options.highlighted = 0
        self.query_one(".dialog").border_subtitle = f"{len(matching)} of {len(rows)}"

    def action_move(self, lines: int) -> None:
        """Move the cursor of the list."""
        if self._matching:
            options = self.query_one(OptionList)
            options.highlighted = min(max((options.highlighted or 0) + lines, 0), len(self._matching) - 1)

    @on(Input.Submitted)
    def _choose(self) -> None:
        place = self.query_one(OptionList).highlighted
        if self._matching and place is not None:
            self.dismiss(MetricChoice(self.query_one(Input).value.strip(), self._matching[place]))

    @on(OptionList.OptionSelected)
    def _choose_clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._choose()


def _line(name: str, value: str) -> Text:
    name = cut(printable(name), WIDTH - 12)
    return Text(f"{name}{' ' * max(1, WIDTH - width_of(name) - width_of(value))}{value}", no_wrap=True)
