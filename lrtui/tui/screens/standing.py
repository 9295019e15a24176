"""The standing of a race: its progress, the table with intervals, and a curve of each schedule's tests.

Reads the store in a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.distributed.engine_settings import LOCAL
from lrtui.run.errors import LrtuiError, describe_exception
from lrtui.run.evaluations import metric_of
from lrtui.run.events import LIVE
from lrtui.store.location import store_option
from lrtui.text.format import counted, duration, figure
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.repaint import update_text
from lrtui.tui.screens.dialogs import Choice, ConfirmScreen
from lrtui.tui.screens.standing_page import GUTTER, StandingPage, StandingTable, standing_page

# takes 120 ms to import, and is first needed in a thread
if TYPE_CHECKING:
    from lrtui.analysis.race.plan import RacePlan
    from lrtui.analysis.race.plan_files import PlanFiles
    from lrtui.analysis.race.results import CellResult

POLL_SECONDS = 2.0

BAR_WIDTH = 30
"""Columns of the bar of the race's progress."""

START_SECONDS = 20.0
"""Seconds within which a started process writes the plan of its race."""

RUNNING_KEYS = "x stop the race   ↑ ↓ scroll   esc back (the race continues)"
ENDED_KEYS = "↑ ↓ scroll   esc back"


@dataclass(frozen=True, slots=True)
class RaceProcess:
    """A process that was just started for a race whose number is not known yet.

    Args:
        pid: process that runs the race.
        output: file with its standard output and error.
    """

    pid: int
    output: Path


def progress_text(plan: RacePlan, results: Sequence[CellResult], is_running: bool, store: str) -> Text:
    """Return the progress of a race: a bar over all epochs, what is training, and the time left.

    Args:
        results: results of all runs of the race.
        store: the option that names the store, for the command that continues the race.
    """
    from lrtui.analysis.race.results import epochs_of_race, open_cells

    epochs, cells = epochs_of_race(plan, results), set(open_cells(plan, results))
    # an entrant that was stopped or has diverged has no epochs left
    epochs_done = sum(result.epochs_done for result in results)
    total = epochs_done + sum(epochs - result.epochs_done for result in results if result.cell in cells)
    share = epochs_done / total if total else 1.0
    full = round(share * BAR_WIDTH)
    text = Text()
    text.append("━" * full, "bold").append("─" * (BAR_WIDTH - full), "dim").append(f"  {share * 100:.0f} %   ")
    finished = sum(result.cell not in cells for result in results)
    text.append(f"{finished} of {counted(len(results), 'run')} finished")
    if not cells:
        return text.append("   the race is over")
    if not is_running:
        return text.append(f"   interrupted; lrtui race --resume {plan.number}{store} continues it")
    seconds = sum(result.run_state.elapsed for result in results)
    if epochs_done:
        # on a cluster, most runs wait for room
        running = sum(result.state in LIVE and result.step > 0 for result in results)
        at_once = plan.engine.jobs if plan.engine.name == LOCAL else max(1, running)
        left = seconds / epochs_done * (total - epochs_done) / at_once
        text.append(f"   about {duration(left)} left")
    for result in results:
        if result.cell in cells and result.run is not None and result.state in LIVE:
            label = plan.entrants[result.cell.entrant].label
            text.append(f"\n● #{result.run} seed {result.cell.seed}  {label}")
            if (test := result.last_test) is not None:
                value = figure(metric_of(test, result.run_state.objective.metric))
                text.append(f"  epoch {result.epochs_done}/{epochs}  {value}")
    return text


def ask_to_stop(
    app: App[int], folder: Path, race: int, say: Callable[[str], None], is_over: Callable[[], bool]
) -> None:
    """Ask whether to stop a race, and stop its process.

    Args:
        folder: folder of the store.
        race: its number.
        say: shows a message: whether the process was stopped.
        is_over: whether the race has ended, which closes the question.
    """
    store = store_option(folder)
    question = f"Stop race {race}? Its runs are kept; lrtui race --resume {race}{store} continues it."
    choices = (Choice("x", "stop after the current batches", "stop"), Choice("escape", "cancel", None))

    def answered(answer: str | None) -> None:
        if answer is None:
            return
        from lrtui.analysis.race.plan_files import PlanFiles

        try:
            files = PlanFiles(folder)
            files.interrupt(files.load(race))
        except LrtuiError as error:
            say(str(error))
        else:
            say(f"Race {race} stops after the current batches.")

    app.push_screen(ConfirmScreen(question, choices, lambda: not is_over()), answered)


class StandingScreen(ModalScreen[None]):
    """Shows the standing of a race, read again every two seconds.

    Args:
        folder: folder of the store.
        race: number of the race, or its process if that was just started.
        ascii_only: whether to draw with ASCII only.
    """

    @dataclass
    class Read(Message):
        """The standing has been read.

        Args:
            race: number of the race; 0 while it is not known.
            progress: see `progress_text`.
            page: the standing.
            is_running: whether its process is running; also True while that is not known.
        """

        race: int
        progress: Text
        page: StandingPage = field(default_factory=StandingPage)
        is_running: bool = True

    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "stop", "stop", show=False),
        Binding("escape,t,q", "dismiss", "back", show=False),
    ]

    def __init__(self, folder: Path, race: int | RaceProcess, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._ascii_only = ascii_only
        self._folder = folder
        self._race = race if isinstance(race, int) else 0
        self._process = race if isinstance(race, RaceProcess) else None
        self._opened = time.monotonic()
        self._ended = threading.Event()
        self._is_running = True
        self._titled = 0
        """Number of the race in the title."""

    def compose(self) -> ComposeResult:
        yield Frame("Race", classes="-current")
        yield Static("reading the results …", id="progress")
        with VerticalScroll():
            yield StandingTable("", id="page", markup=False)
            with Vertical(id="curves"):
                yield Frame("Test", classes="-curves")
                yield ChartView()
            yield Static("", id="notes", markup=False)
        yield Static(RUNNING_KEYS, id="keys")

    def on_mount(self) -> None:
        """Read in a thread, so that keys work while the store is busy."""
        self.query_one(VerticalScroll).focus()
        threading.Thread(target=self._work, name="standing", daemon=True).start()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._ended.set()

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                reading = self._read()
            except LrtuiError as error:
                reading = self.Read(self._race, Text(f"✗ {error}"))
            except Exception as error:  # a damaged plan or store can raise anything
                reading = self.Read(self._race, Text(f"✗ {describe_exception(error)}"))
            self.post_message(reading)
            self._ended.wait(POLL_SECONDS if self._race else POLL_SECONDS / 4)

    def _read(self) -> StandingScreen.Read:
        from lrtui.analysis.race.plan_files import PlanFiles
        from lrtui.analysis.race.results import read_results
        from lrtui.analysis.race.standing import rank

        files = PlanFiles(self._folder)
        race = self._race or self._number_of_process(files)
        if not race:
            assert self._process is not None
            if time.monotonic() - self._opened > START_SECONDS:
                raise LrtuiError(f"the race did not start; its output is in {self._process.output}")
            return self.Read(0, Text("the race starts …"))
        plan = files.load(race)
        results = read_results(self._folder, plan)
        page = standing_page(rank(plan, results), results, max(40, self.size.width - 4 - len(GUTTER)))
        is_running = files.is_running(plan)
        progress = progress_text(plan, results, is_running, store_option(self._folder))
        return self.Read(race, progress, page, is_running)

    def _number_of_process(self, files: PlanFiles) -> int:
        """Return the number of the race that the started process runs; 0 if it has not written its plan yet."""
        for number in reversed(files.numbers()):
            process = files.load(number).process
            if process is not None and self._process is not None and process.pid == self._process.pid:
                return number
        return 0

    def on_standing_screen_read(self, message: StandingScreen.Read) -> None:
        self._race = self._race or message.race
        if self._is_running != message.is_running:
            self._is_running = message.is_running
            self.query_one("#keys", Static).update(RUNNING_KEYS if self._is_running else ENDED_KEYS)
        if self._race != self._titled:
            self._titled = self._race
            self.query_one(Frame).show(f"race {self._race}")
        update_text(self.query_one("#progress", Static), message.progress)
        page = message.page
        self.query_one(StandingTable).show(page.lines)
        update_text(self.query_one("#notes", Static), Text("\n".join(f"{GUTTER}{line}" for line in page.notes)))
        curves = self.query_one("#curves")
        curves.set_class(bool(page.means), "-shown")
        if page.means:
            curves.query_one(Frame).show("", f"Test {page.metric}", page.legends)
            curves.query_one(ChartView).show(page.chart(ascii_only=self._ascii_only))

    def action_stop(self) -> None:
        """Ask whether to stop the race."""
        if not self._is_running:
            self.query_one(Frame).show(f"race {self._race} is not running: there is nothing to stop")
        elif self._race:
            say = self.query_one(Frame).show
            ask_to_stop(self.app, self._folder, self._race, say, lambda: not self._is_running)
