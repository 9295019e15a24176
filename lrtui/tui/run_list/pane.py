"""The list of runs, those of this process and those of sources; the cursor chooses the one on screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from lrtui.panes import PANES_BY_NAME
from lrtui.run.errors import UsageError
from lrtui.run.source import RunSummary
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
    listed_runs,
    run_line,
    sorted_runs,
)
from lrtui.tui.view import Scene, waiting_for_logs

# imports of the store would delay the first frame
if TYPE_CHECKING:
    from lrtui.store.filters import Filter, WordFilter

EMPTY = "No runs yet. Press r to start one with the settings below, s to choose its schedule."
NO_MATCH = "No run matches the filter. Press / to change it, esc to clear it."


class RunList(OptionList):
    """The list widget; enter does not select, since the run at the cursor is already on screen."""

    BINDINGS = [Binding("enter", "enter", show=False)]

    class Entered(Message):
        """The user pressed enter."""

    def action_enter(self) -> None:
        """Post the message."""
        self.post_message(self.Entered())


def _short_schedules(runs: Iterable[RunSummary]) -> dict[str, str]:
    """Return the schedules of the runs in short, by notation."""
    notations = {run.schedule for run in runs}
    if not notations:
        return {}
    # imported with the first run: the parser takes 20 ms
    from lrtui.schedules.short_notation import short_notations

    return short_notations(notations)


class RunsPane(Vertical):
    """The runs that match the filter, in the chosen order."""

    DEFAULT_CSS = """
    RunsPane { height: 1fr; }
    RunsPane > OptionList { height: 1fr; border: none; padding: 0; }
    RunsPane > OptionList { background: $background; scrollbar-size-vertical: 1; scrollbar-background: $background; }
    RunsPane > OptionList:focus { border: none; }
    RunsPane > OptionList.-empty { padding: 0 1; }
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
        self._shown: dict[int, Text] = {}
        self._selected: int | None = None
        self._order: Order = "newest"
        self._filters: list[Filter | WordFilter] = []
        self._stamp: object = None
        self._scene: Scene | None = None
        self._lr_lines = LrLines()

    def compose(self) -> ComposeResult:
        yield Frame("Runs", key=PANES_BY_NAME["runs"].key)
        yield RunList(Option(Text(EMPTY), id="empty", disabled=True), classes="-empty")
        yield Static(id="runs-trouble")
        yield FilterLine()

    # -- drawing ------------------------------------------------------------------------------------------------------

    def show(self, scene: Scene) -> None:
        """Draw the lines that have changed."""
        self._scene = scene
        width = max(20, self.query_one(OptionList).scrollable_content_region.width)
        stamp = (
            tuple((run.number, run.state.version) for run in scene.session.runs),
            scene.source_runs.version,
            tuple(scene.view.pinned),
            scene.view.selected,
            self.app.theme,
            self._order,
            tuple(self._filters),
            width,
        )
        if stamp == self._stamp:
            return
        self._stamp = stamp
        every = listed_runs(scene)
        rows = sorted_runs({number: run for number, run in every.items() if self._matches(run)}, self._order)
        self._show_frame(list(rows.values()), len(every))
        self._show_trouble(scene.source_runs.trouble)
        empty = waiting_for_logs(scene.view) if scene.view.watched else EMPTY
        self._show_list(rows, scene, width, empty if not every else NO_MATCH)

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

    def _show_list(self, runs: dict[int, RunSummary], scene: Scene, width: int, empty: str) -> None:
        options = self.query_one(RunList)
        letters, schedules = self._letters(scene), _short_schedules(runs.values())
        # in ASCII, a curve would be a row of dots
        logs = log_labels(run.id for run in runs.values() if run.log is not None and isinstance(run.id.key, str))
        widths = column_widths(list(runs.values()), width, schedules, logs, curves=not scene.view.ascii)
        logs = fitted_labels(logs, widths.label + 1 + widths.schedule)
        curves = self._lr_lines.lines(runs, {run.number: run.state for run in scene.runs}, widths.curve)
        lines = {
            number: run_line(
                run,
                number in scene.view.pinned,
                widths,
                schedules,
                letters.get(number),
                curves.get(number, ""),
                logs.get(run.id, ""),
            )
            for number, run in runs.items()
        }
        options.set_class(not lines, "-empty")
        if list(lines) != list(self._shown) or not lines:
            with self.prevent(OptionList.OptionHighlighted):
                options.clear_options()
                if lines:
                    options.add_options([Option(line, id=str(number)) for number, line in lines.items()])
                else:
                    options.add_option(Option(Text(empty), id="empty", disabled=True))
            self._selected = None
        else:
            for number, line in lines.items():
                if line != self._shown[number]:
                    options.replace_option_prompt(str(number), line)
        self._shown = lines
        if scene.view.selected != self._selected and scene.view.selected in lines:
            self._selected = scene.view.selected
            with self.prevent(OptionList.OptionHighlighted):
                options.highlighted = list(lines).index(self._selected)

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
        self.query_one(OptionList).scroll_to_highlight()

    # -- what the user does -------------------------------------------------------------------------------------------

    @on(OptionList.OptionHighlighted)
    def _choose(self, event: OptionList.OptionHighlighted) -> None:
        """Report the run at the cursor."""
        event.stop()
        if event.option_id and event.option_id != "empty":
            self._selected = int(event.option_id)
            self.post_message(self.Chosen(self._selected))

    @property
    def under_cursor(self) -> int | None:
        """Number of the run at the cursor, even before it is reported; None if the list does not have the focus."""
        options = self.query_one(OptionList)
        at = options.highlighted if options.has_focus else None
        option = options.get_option_at_index(at).id if at is not None else None
        return int(option) if option and option != "empty" else None

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
        self.query_one(OptionList).focus()
