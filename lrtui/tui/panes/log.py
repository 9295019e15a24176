"""The training log, with a filter."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input, Log, Static

from lrtui.panes import PANES_BY_NAME
from lrtui.run.log import LOG_LINES, LogLine
from lrtui.run.state import RunState
from lrtui.text.format import counted
from lrtui.tui.panes.filter_line import FilterLine
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.wrapped import wrapped
from lrtui.tui.view import Scene

EMPTY = "The training log will appear here."

NO_RUN = "Press r to start a run."
"""The text after EMPTY while there is no run."""


class LogView(Log):
    """A log that updates its scrollbar when it gets longer; Textual's would lay out the whole screen for each line."""

    virtual_size = Reactive(Size(0, 0), layout=False)

    def watch_virtual_size(self, size: Size) -> None:
        """Update the scrollbar, which appears with the first line that does not fit."""
        self._scroll_update(size)


class OpenRows(Static):
    """The lines of output that are not finished, such as a progress bar, below the log."""

    DEFAULT_CSS = """
    OpenRows { height: auto; max-height: 4; padding: 0 1; display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[str, ...] = ()

    def show(self, rows: tuple[str, ...]) -> None:
        """Show these lines; nothing if there are none."""
        if rows != self._rows:
            has_other_height, self._rows = len(rows) != len(self._rows), rows
            self.display = bool(rows)
            self.update(Text("\n".join(rows), no_wrap=True, overflow="ellipsis"), layout=has_other_height)


class LogPane(Vertical):
    """The log of the run on screen; it follows the end until the user scrolls up."""

    DEFAULT_CSS = """
    LogPane { height: 1fr; }
    /* a horizontal scrollbar would be repainted cell by cell at every write: 7 kB each time */
    LogPane > Log { height: 1fr; overflow-x: hidden; padding: 0 1; }
    LogPane > Log { background: $background; scrollbar-size-vertical: 1; scrollbar-background: $background; }
    """

    def __init__(self) -> None:
        super().__init__(id="log")
        self._state: RunState | None = None
        self._written = 0
        self._filter_terms: list[str] = []
        self._found = 0
        self._room = 0
        self._follows = True

    def compose(self) -> ComposeResult:
        yield Frame("Log", key=PANES_BY_NAME["log"].key)
        yield LogView(max_lines=LOG_LINES)
        yield OpenRows()
        yield FilterLine("text to search for")

    def on_mount(self) -> None:
        """Update the title line when the user scrolls, since the next log line may take a while."""
        self.watch(self.query_one(Log), "scroll_y", self._scrolled, init=False)

    def on_resize(self) -> None:
        """Wrap the lines to the new width."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        if self.query_one(Log).scrollable_content_region.width != self._room:
            self._rewrite()
        elif self._follows:
            self._scroll_to_end()

    def show(self, scene: Scene) -> None:
        """Write the new lines; all lines if another run is on screen."""
        state = scene.run.state if scene.run else None
        log = self.query_one(Log)
        self.set_class(state is None, "-idle")
        if state is not self._state:
            self._state, self._follows = state, True
            self._rewrite()
            self.query_one(OpenRows).show(())
        if state is None:
            if not log.line_count:
                log.write_line(EMPTY if scene.view.watched else f"{EMPTY} {NO_RUN}")
            return
        new = state.log.count - self._written
        if new:
            self._write(list(state.log.lines)[-new:])
        self.query_one(OpenRows).show(state.log.open_rows)
        self._show_figure()

    def _rewrite(self) -> None:
        log = self.query_one(Log)
        log.clear()
        self._found, self._room = 0, log.scrollable_content_region.width
        if self._state is not None:
            self._write(self._state.log.lines)
        self._show_figure()

    def _write(self, lines: Iterable[LogLine]) -> None:
        follows = self._follows
        self.query_one(Log).write_lines(self._parts(lines), scroll_end=False)
        self._written = self._state.log.count if self._state else 0
        if follows:
            self._scroll_to_end()

    def _scroll_to_end(self) -> None:
        self._follows = True
        self.query_one(Log).scroll_end(animate=False, immediate=True, x_axis=False)

    def _scrolled(self) -> None:
        """Follow the end if the user has scrolled there, otherwise stop following."""
        log = self.query_one(Log)
        self._follows = log.max_scroll_y - log.scroll_offset.y <= 0
        self._show_figure()

    def _show_figure(self) -> None:
        if self._state is None:
            return
        found = [f"{counted(self._found, 'line')} with {' '.join(self._filter_terms)}"] if self._filter_terms else []
        self.query_one(Frame).show(" · ".join([*found, "following" if self._follows else "press end to follow"]))

    def _parts(self, lines: Iterable[LogLine]) -> list[str]:
        """Return the lines that contain every term of the filter, wrapped to the width."""
        parts = [part for line in lines for part in line.text.expandtabs(2).splitlines()]
        found = [part for part in parts if all(term in part.lower() for term in self._filter_terms)]
        self._found = min(self._found + len(found), LOG_LINES)
        return [piece for part in found for piece in wrapped(part, self._room)]

    # -- the filter ---------------------------------------------------------------------------------------------------

    def open_filter(self) -> None:
        """Open the filter."""
        self.query_one(FilterLine).open()

    @on(Input.Changed)
    def _filter(self, event: Input.Changed) -> None:
        """Show the lines that contain every term, ignoring case."""
        event.stop()
        self._filter_terms = event.value.lower().split()
        if self._state is None:
            return
        self._follows = True
        self._rewrite()

    @on(FilterLine.Left)
    def _back_to_the_log(self) -> None:
        self.query_one(Log).focus()
