"""The list of runs, those of this process and those of sources; the cursor chooses the one on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, Static

from lrtui.panes import PANES_BY_NAME
from lrtui.run.errors import UsageError
from lrtui.run.source import RunId, RunSummary
from lrtui.run.state import RunState
from lrtui.tui.panes.chart_pane import glyph_of, line_style
from lrtui.tui.panes.filter_line import FilterLine
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.repaint import update_text
from lrtui.tui.run_colours import chart_style
from lrtui.tui.run_list.log_labels import fitted_labels, log_labels
from lrtui.tui.run_list.lr_lines import LrLines
from lrtui.tui.run_list.rows import (
    ORDERS,
    Order,
    best_title,
    column_widths,
    layout_facts,
    listed_runs,
    run_line,
    sorted_runs,
)
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.view import Scene, waiting_for_logs

# imports of the store would delay the first frame
if TYPE_CHECKING:
    from lrtui.store.filters import Filter, WordFilter

EMPTY = "No runs yet. Press r to start one with the settings below, s to choose its schedule."
NO_MATCH = "No run matches the filter. Press / to change it, esc to clear it."


def _in_short(notations: frozenset[str]) -> dict[str, str]:
    """Return schedules in short, by notation."""
    if not notations:
        return {}
    # imported with the first run: the parser takes 20 ms
    from lrtui.schedules.short_notation import short_notations

    return short_notations(notations)


class RunsPane(Vertical):
    """The runs that match the filter, in the chosen order."""

    DEFAULT_CSS = """
    RunsPane { height: 1fr; }
    RunsPane > #runs-trouble { height: auto; max-height: 4; padding: 0 1; color: $warning; display: none; }
    RunsPane > #runs-trouble.-visible { display: block; }
    """

    class Chosen(Message):
        """The user moved the cursor to a run.

        Args:
            number: the run's number.
        """

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self) -> None:
        super().__init__(id="runs")
        self._selected: int | None = None
        """The run that the cursor was last moved to."""
        self._order: Order = "newest"
        self._filters: list[Filter | WordFilter] = []
        self._stamp: object = None
        self._contents: object = None
        self._scene: Scene | None = None
        self._runs: Mapping[int, RunSummary] = {}
        """The runs that are listed, in their order."""
        self._empty = EMPTY
        self._notations: frozenset[str] = frozenset()
        self._schedules: Mapping[str, str] = {}
        self._logs: tuple[RunId, ...] = ()
        self._labels: Mapping[RunId, str] = {}
        self._fitted: Mapping[RunId, str] = {}
        self._widths = column_widths([], 20)
        self._arranged: object = None
        """What order and columns were last chosen for."""
        self._curves = LrLines()
        self._letters_of_runs: Mapping[int, tuple[str, Style]] = {}
        self._pinned: frozenset[int] = frozenset()
        self._states: Mapping[int, RunState] = {}
        self._lines: dict[int, tuple[tuple[object, ...], Text]] = {}
        """What each line that was on the screen was formatted from, and the line."""

    def compose(self) -> ComposeResult:
        yield Frame("Runs", key=PANES_BY_NAME["runs"].key)
        yield RunList(EMPTY)
        yield Static(id="runs-trouble")
        yield FilterLine()

    # -- drawing ------------------------------------------------------------------------------------------------------

    def show(self, scene: Scene) -> None:
        """Draw the lines that have changed."""
        self._scene = scene
        width = max(20, self.query_one(RunList).scrollable_content_region.width)
        contents = (
            tuple((run.number, run.state.version) for run in scene.session.runs),
            scene.source_runs.version,
            self._order,
            tuple(self._filters),
            width,
        )
        stamp = (contents, tuple(scene.view.pinned), scene.view.selected, self.app.theme)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        # the cursor and the pins change neither the order nor the columns
        if contents != self._contents:
            self._contents = contents
            self._arrange(scene, width)
        self._show_list(scene)

    def _arrange(self, scene: Scene, width: int) -> None:
        """Choose and sort the runs, and set the widths of the columns.

        With every step of a live run only its time changes in its line, so that most of this is left out.
        """
        every = listed_runs(scene)
        matching = {number: run for number, run in every.items() if self._matches(run)} if self._filters else every
        facts = [(number, layout_facts(run)) for number, run in matching.items()]
        arranged = (facts, width, self._order, len(every), scene.view.ascii)
        self._show_trouble(scene.source_runs.trouble)
        self._empty = NO_MATCH if every else waiting_for_logs(scene.view) if scene.view.watched else EMPTY
        if arranged == self._arranged:
            self._runs = {number: matching[number] for number in self._runs}
            return
        self._arranged = arranged
        self._runs = sorted_runs(matching, self._order)
        runs = list(self._runs.values())
        self._show_frame(runs, len(every))
        notations = frozenset(run.schedule for run in runs)
        if notations != self._notations:
            self._notations, self._schedules = notations, _in_short(notations)
        logs = tuple(run.id for run in runs if run.log is not None and isinstance(run.id.key, str))
        if logs != self._logs:
            self._logs, self._labels = logs, log_labels(logs)
        # in ASCII, a curve would be a row of dots
        self._widths = column_widths(runs, width, self._schedules, self._labels, curves=not scene.view.ascii)
        self._fitted = fitted_labels(self._labels, self._widths.label + 1 + self._widths.schedule)
        self._lines = {number: line for number, line in self._lines.items() if number in self._runs}

    def _matches(self, run: RunSummary) -> bool:
        return all(each.matches(run.value) for each in self._filters)

    def _show_frame(self, runs: list[RunSummary], every: int) -> None:
        parts = [f"{len(runs)} of {every}"] if self._filters else []
        parts += [f"by {self._order}"] if self._order != "newest" else []
        parts += [best_title(runs)] if runs else []
        self.query_one(Frame).show(" · ".join(parts))

    def _show_trouble(self, trouble: str) -> None:
        static = self.query_one("#runs-trouble", Static)
        static.set_class(bool(trouble), "-visible")
        update_text(static, Text(trouble))

    def _show_list(self, scene: Scene) -> None:
        self._letters_of_runs, self._pinned = self._letters(scene), frozenset(scene.view.pinned)
        self._states = {run.number: run.state for run in scene.runs}
        runs, selected = self.query_one(RunList), scene.view.selected
        # the user may have moved the cursor since; that is reported by a message
        move_to = selected if selected != self._selected or runs.number_at_cursor is None else None
        runs.show_runs(list(self._runs), self._line, move_to, self._empty)
        if selected in self._runs:
            self._selected = selected

    def _line(self, number: int) -> Text:
        """Return the line of a run; it is formatted only if something has changed in it."""
        run = self._runs[number]
        stamp = (
            run,
            self._curves.line(number, run, self._states.get(number), self._widths.curve),
            number in self._pinned,
            self._widths,
            self._schedules.get(run.schedule, run.schedule),
            self._letters_of_runs.get(number),
            self._fitted.get(run.id, ""),
        )
        known = self._lines.get(number)
        if known is None or known[0] != stamp:
            _, curve, is_pinned, widths, schedule, letter, fitted = stamp
            known = self._lines[number] = stamp, run_line(run, is_pinned, widths, schedule, letter, curve, fitted)
        return known[1]

    def _letters(self, scene: Scene) -> dict[int, tuple[str, Style]]:
        """Return the letters of the runs that are drawn over each other, in their colours."""
        if len(scene.shown) < 2:
            return {}
        letters = {}
        for run in scene.shown:
            # on the cursor's background, the colours of runs could not be read
            at_cursor = run.number == scene.view.selected
            colour = Style() if at_cursor else chart_style(self.query_one(RunList), line_style(run, scene))
            letters[run.number] = (glyph_of(run, scene), colour + Style(bold=True))
        return letters

    def on_resize(self) -> None:
        """Draw at the new width, and keep the cursor visible when the height changes with the settings below."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self._scene is not None:
            self.show(self._scene)
        self.query_one(RunList).scroll_to_cursor()

    # -- what the user does -------------------------------------------------------------------------------------------

    @on(RunList.Highlighted)
    def _choose(self, event: RunList.Highlighted) -> None:
        """Report the run at the cursor."""
        event.stop()
        self._selected = event.number
        self.post_message(self.Chosen(event.number))

    @property
    def under_cursor(self) -> int | None:
        """Number of the run at the cursor, even before it is reported; None if the list does not have the focus."""
        runs = self.query_one(RunList)
        return runs.number_at_cursor if runs.has_focus else None

    def next_order(self) -> Order:
        """Switch to the next order and return it."""
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        return self._order

    def open_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterLine).open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        """Apply the filter while the user types; an incomplete filter changes nothing."""
        event.stop()
        from lrtui.store.filters import read_filters

        box = self.query_one(FilterLine)
        try:
            self._filters = read_filters([event.value]) if event.value.strip() else []
            box.show_error("")
            if self._scene is not None:
                self.show(self._scene)
        except UsageError as error:
            box.show_error(str(error))

    @on(FilterLine.Left)
    def _back_to_the_list(self) -> None:
        self.query_one(RunList).focus()
