"""The log: the tutorial's lines as they come."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Log

from lrtui.run.state import LOG_LINES, RunState
from lrtui.tui.panes.frame import Frame
from lrtui.tui.view import Scene


class LogPane(Vertical):
    """The run's log, following the end until the user scrolls up."""

    DEFAULT_CSS = """
    LogPane { height: 1fr; }
    /* each write repaints a horizontal scrollbar cell by cell: 7 kB a time */
    LogPane > Log { height: 1fr; overflow-x: hidden; padding: 0 1; }
    LogPane > Log { background: $background; scrollbar-size-vertical: 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._state: RunState | None = None
        self._written = 0

    def compose(self) -> ComposeResult:
        yield Frame("Log")
        yield Log(max_lines=LOG_LINES)

    def show(self, scene: Scene) -> None:
        """Write the lines that have come since; all of them where another run has come on screen."""
        state = scene.run.state if scene.run else None
        log = self.query_one(Log)
        if state is not self._state:
            log.clear()
            self._state, self._written = state, 0
        if state is None:
            if not log.line_count:
                log.write_line("The tutorial's lines, once a run goes. r starts one.")
            return
        new = state.lines_logged - self._written
        if new:
            follows = log.max_scroll_y - log.scroll_offset.y <= 0
            lines = [line.text.expandtabs(2) for line in list(state.log)[-new:]]
            log.write_lines([part for line in lines for part in line.splitlines()], scroll_end=follows)
            self._written = state.lines_logged
        following = log.max_scroll_y - log.scroll_offset.y <= 0
        self.query_one(Frame).show("following" if following else "end key follows")
