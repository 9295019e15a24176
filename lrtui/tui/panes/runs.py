"""The runs of this session: state, schedule, best accuracy; the cursor chooses the one on screen."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from lrtui.live_run import Run
from lrtui.run.status import GLYPHS
from lrtui.tui.panes.frame import Frame
from lrtui.tui.view import Scene

EMPTY = "No run yet. r starts one with the settings below, s chooses its schedule."


def run_line(run: Run, marked: bool, width: int) -> Text:
    """Return the run's line: mark, glyph, number, schedule cut to what is left, best accuracy."""
    state = run.state
    best = state.best
    figure = "" if best is None else f"{best.loss:.4f}" if best.accuracy is None else f"{best.accuracy:.4f}"
    head = f"{'m' if marked else ' '} {GLYPHS[state.status]} {'#' + str(run.number):>3} "
    room = max(1, width - len(head) - 8)
    schedule = state.schedule or run.spec.schedule
    if len(schedule) > room:
        schedule = schedule[: room - 1] + "…"
    return Text(f"{head}{schedule:<{room}}  {figure:>6}", no_wrap=True)


class RunsPane(Vertical):
    """The list of this session's runs, the newest first."""

    DEFAULT_CSS = """
    RunsPane { height: 1fr; }
    RunsPane > OptionList { height: 1fr; border: none; padding: 0; }
    RunsPane > OptionList { background: $background; scrollbar-size-vertical: 1; }
    RunsPane > OptionList:focus { border: none; }
    """

    class Chosen(Message):
        """The user moved the cursor to a run.

        Args:
            number: the run's number.
        """

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._shown: dict[int, str] = {}
        self._selected: int | None = None

    def compose(self) -> ComposeResult:
        yield Frame("Runs")
        yield OptionList(Option(Text(EMPTY), id="empty", disabled=True))

    def show(self, scene: Scene) -> None:
        """Draw the runs that changed."""
        self.query_one(Frame).show("best acc" if scene.session.runs else "")
        options = self.query_one(OptionList)
        width = max(20, options.scrollable_content_region.width)
        lines = {
            run.number: run_line(run, run.number in scene.view.marked, width) for run in reversed(scene.session.runs)
        }
        if list(lines) != list(self._shown):
            with self.prevent(OptionList.OptionHighlighted):
                options.clear_options()
                if lines:
                    options.add_options([Option(line, id=str(number)) for number, line in lines.items()])
                else:
                    options.add_option(Option(Text(EMPTY), id="empty", disabled=True))
            self._selected = None
        else:
            for number, line in lines.items():
                if line.plain != self._shown[number]:
                    options.replace_option_prompt(str(number), line)
        self._shown = {number: line.plain for number, line in lines.items()}
        if scene.view.selected != self._selected and scene.view.selected in lines:
            self._selected = scene.view.selected
            with self.prevent(OptionList.OptionHighlighted):
                options.highlighted = list(lines).index(self._selected)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Tell which run the cursor is on."""
        event.stop()
        if event.option_id and event.option_id.isdigit():
            self._selected = int(event.option_id)
            self.post_message(self.Chosen(self._selected))
