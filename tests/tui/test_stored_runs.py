"""The runs of the store in the cockpit: listed, filtered, sorted, shown, overlaid, followed and sent commands."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from recorded_runs import Recording, recorded_run
from store_runs import folded, new_recorder, store_events
from textual.widgets import Input, Static
from waiting import SECONDS

from lrtui.run.commands import Command, Pause, ScaleLr
from lrtui.run.events import EvalDone, Event, Paused, RunFinished, StepDone
from lrtui.run.spec import RunSpec
from lrtui.store.location import DATABASE
from lrtui.store.recorder import Recorder
from lrtui.store.writer import Writer
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.log import LogPane
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.run_list.source_runs import SourceRun
from lrtui.tui.run_list.watcher import SourceWatcher
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.view import Scene, View

STEP, EXPONENTIAL, COSINE = "StepLR(step_size=1, gamma=0.5)", "ExponentialLR(gamma=0.1)", "CosineAnnealingLR(T_max=10)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def keep_three(folder: Path) -> None:
    """Store runs of 10, 2 and 6 epochs; the second one failed."""
    store_events(folder, recorded_run(500, outcome="done"), RunSpec(schedule=STEP, name="baseline"))
    store_events(folder, recorded_run(120, outcome="failed", schedule=EXPONENTIAL), RunSpec(schedule=EXPONENTIAL))
    store_events(folder, recorded_run(330, outcome="stopped", schedule=COSINE), RunSpec(schedule=COSINE))


def app_on(folder: Path, *recordings: list[Event]) -> PlayedApp:
    return PlayedApp(PlayedSession(*recordings), View(RunSpec(store=str(folder))))


def cockpit(app: PlayedApp) -> CockpitScreen:
    screen = app.screen_stack[1]
    assert isinstance(screen, CockpitScreen)
    return screen


def scene(app: PlayedApp) -> Scene:
    return cockpit(app).scene


def lines(app: PlayedApp) -> list[str]:
    return [line.plain for line in cockpit(app).query_one(RunList).lines]


def painted(app: PlayedApp) -> list[str]:
    """Return the lines of the list that are on the screen."""
    runs = cockpit(app).query_one(RunList)
    return [runs.render_line(y).text for y in range(runs.size.height)]


def numbers(app: PlayedApp) -> list[int]:
    return [int(line.partition("#")[2].split()[0]) for line in lines(app) if "#" in line]


def figure(app: PlayedApp) -> str:
    return cockpit(app).query_one("#runs Frame", Frame).render().plain


def message(app: PlayedApp) -> str:
    return cockpit(app).query_one(Footer).render().plain


def trouble(app: PlayedApp) -> str:
    return str(cockpit(app).query_one("#runs-trouble", Static).render())


async def test_all_runs_of_the_store_are_listed_newest_first(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        assert "■ #3 Cosine" in lines(app)[0]
        assert "✗ #2" in lines(app)[1]
        assert "0.8380" in lines(app)[1]
        assert "✓ #1 baseline" in lines(app)[2]
        assert "0.9283" in lines(app)[2]
        assert "best acc" in figure(app)
        assert app.view.selected is None
        # a narrower list draws the lr instead of the epochs
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "6/10" in lines(app)[0])
        assert "2/10  0.8380" in lines(app)[1]
        assert "10/10  0.9283" in lines(app)[2]


async def test_the_list_draws_the_lr_of_stored_and_live_runs_if_there_is_room(folder: Path) -> None:
    keep_three(folder)
    session = PlayedSession(recorded_run(100, schedule=STEP), first=4)
    app = PlayedApp(session, View(RunSpec(store=str(folder))))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(lines(app)) == 4)
        # as much of the column as of the run
        assert [len(re.sub("[^⠀-⣿]", "", line)) for line in lines(app)] == [1, 3, 1, 5]
        session.last.say(*recorded_run(250, schedule=STEP)[len(recorded_run(100, schedule=STEP)) :])
        await until(pilot, lambda: len(re.sub("[^⠀-⣿]", "", lines(app)[0])) == 2)
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "10/10" in lines(app)[3])


async def test_a_wide_list_shows_status_and_time(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: numbers(app) == [3, 2, 1] and "✗ failed" in lines(app)[1])
        assert lines(app)[2].endswith("20s")
        await until(pilot, lambda: all(len(line) < 80 for line in lines(app)))


async def test_a_task_without_accuracy_shows_its_best_loss(folder: Path) -> None:
    events = [replace(event, accuracy=None) if isinstance(event, EvalDone) else event for event in recorded_run(150)]
    store_events(folder, events)
    best = min(event.loss for event in events if isinstance(event, EvalDone))
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [1])
        assert f"{best:.4f}" in lines(app)[0]
        assert "best loss" in figure(app)


async def test_a_run_of_this_process_is_listed_once(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder, recorded_run(60))
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        assert "● #1" in lines(app)[2]
        assert "1/10" in lines(app)[2]
        assert scene(app).runs == app.session.runs


async def test_o_cycles_the_order(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("5", "o")
        assert numbers(app) == [1, 3, 2]
        assert "by best" in figure(app)
        await pilot.press("o")
        assert numbers(app) == [1, 3, 2]
        assert "by name" in figure(app)
        await pilot.press("o")
        assert numbers(app) == [3, 2, 1]


async def test_a_filter_applies_while_it_is_typed_until_it_is_cleared(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("/", *"best>0.9")
        await until(pilot, lambda: numbers(app) == [3, 1])
        assert "2 of 3" in figure(app)
        await pilot.press(*" state")
        await until(
            pilot, lambda: "takes a number" in str(cockpit(app).query_one("FilterLine Static", Static).render())
        )
        assert numbers(app) == [3, 1]
        await pilot.press(*"=done", "enter")
        await until(pilot, lambda: numbers(app) == [1])
        await until(pilot, lambda: isinstance(app.focused, RunList))
        await pilot.press("/", "escape")
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await until(pilot, lambda: not cockpit(app).query_one("FilterLine Input", Input).region)


async def test_a_plain_word_filters_and_esc_clears_it_from_the_list(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("/", *"cos")
        await until(pilot, lambda: numbers(app) == [3])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.focused, RunList))
        await pilot.press("escape")
        await until(pilot, lambda: numbers(app) == [3, 2, 1])


async def test_the_runs_of_a_race_stay_together(folder: Path) -> None:
    for name in ("race 1: A seed 0", None, "race 1: A seed 1"):
        store_events(folder, recorded_run(60, outcome="done"), RunSpec(schedule=STEP, name=name))
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 1, 2])
        assert "race 1 s0 · S" in lines(app)[0]


async def test_a_filter_without_a_match_says_so(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("/", *"seed=7")
        await until(pilot, lambda: "No run matches" in lines(app)[0])


async def test_a_stored_run_at_the_cursor_is_shown_in_all_panes(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("5", "down", "down")
        await until(pilot, lambda: scene(app).run is not None and scene(app).run.state.status == "failed")  # type: ignore[union-attr]
        run = scene(app).run
        assert run is not None
        assert run.number == 2
        assert not run.is_live
        expected = folded(recorded_run(120, outcome="failed", schedule=EXPONENTIAL))
        assert list(run.state.loss) == list(expected.loss)
        assert [line.text for line in run.state.log.lines] == [line.text for line in expected.log.lines]
        await until(pilot, lambda: cockpit(app).query_one(LogPane)._written == run.state.log.count)
        assert not cockpit(app).query_one("#loss").has_class("-empty")


async def test_a_stopped_run_that_another_process_is_about_to_resume_is_waiting_on_the_whole_screen(
    folder: Path,
) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("5", "down")
        await until(pilot, lambda: scene(app).run is not None and scene(app).run.state.status == "stopped")  # type: ignore[union-attr]
        run = scene(app).run
        assert isinstance(run, SourceRun)
        summary = run.summary
        run.update(replace(summary, state="waiting"))
        assert (run.state.status, run.is_live) == ("waiting", True)
        # the resume was refused
        run.update(summary)
        assert (run.state.status, run.is_live) == ("stopped", False)


async def test_pinned_runs_of_the_store_are_always_shown(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder, recorded_run(60), recorded_run(60), recorded_run(60), recorded_run(80))
    # before the first reading: stored runs are numbered once, and differently if this process has runs 1 to 3
    app.session.runs = app.session.runs[3:]
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [4, 3, 2, 1] and "baseline" in lines(app)[3])
        await pilot.press("5", "down", "down", "m", "down", "m", "home")
        await until(pilot, lambda: [len(run.state.loss) for run in scene(app).shown] == [330, 120, 80])
        assert [run.number for run in scene(app).shown] == [3, 2, 4]
        assert lines(app)[1].startswith("m")


class Elsewhere:
    """A run as if trained by another process: its recorder writes, and takes commands."""

    def __init__(self, writer: Writer, spec: RunSpec) -> None:
        self.received: list[Command] = []
        self.recorder: Recorder = new_recorder(writer, spec, self._receive)
        self.events = Recording()

    def _receive(self, command: Command) -> None:
        self.received.append(command)

    def say(self, *events: Event) -> None:
        for event in events:
            self.recorder.publish(event)
        assert self.recorder.commit(SECONDS)


@contextmanager
def elsewhere(folder: Path, spec: RunSpec | None = None) -> Iterator[Elsewhere]:
    writer = Writer(folder, lambda _: None)
    try:
        yield Elsewhere(writer, spec or RunSpec(schedule=STEP))
    finally:
        assert writer.close(SECONDS)


async def test_a_live_run_of_another_process_is_followed(folder: Path) -> None:
    story = recorded_run(200)
    with elsewhere(folder) as other:
        other.say(*story[:100])
        app = app_on(folder)
        async with app.run_test(size=(200, 50)) as pilot:
            await until(pilot, lambda: numbers(app) == [1])
            assert "● #1" in lines(app)[0]
            await pilot.press("5", "down")
            before = folded(story[:100]).step
            await until(pilot, lambda: scene(app).run is not None and scene(app).run.state.step == before)  # type: ignore[union-attr]
            assert scene(app).command_target is scene(app).run
            other.say(*story[100:])
            await until(pilot, lambda: scene(app).run.state.step == 200)  # type: ignore[union-attr]
            await until(pilot, lambda: "4/10" in lines(app)[0])
            other.say(RunFinished(seq=len(story), step=200, seconds=9.0, outcome="stopped"))
            await until(pilot, lambda: scene(app).run.state.status == "stopped")  # type: ignore[union-attr]
            await until(pilot, lambda: "■ #1" in lines(app)[0])
            assert scene(app).command_target is None


async def test_keys_send_commands_to_another_process_through_the_store(folder: Path) -> None:
    story = recorded_run(100)
    with elsewhere(folder) as other:
        other.say(*story)
        app = app_on(folder)
        async with app.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: numbers(app) == [1])
            await pilot.press("5", "down")
            await until(pilot, lambda: scene(app).command_target is not None and scene(app).run.state.step == 100)  # type: ignore[union-attr]
            await pilot.press("space")
            await until(pilot, lambda: other.received == [Pause()])
            pause = other.received[0]
            other.say(Paused(seq=len(story), step=100, seconds=4.0, command_id=pause.id))
            await until(pilot, lambda: "#1 paused" in message(app))
            await until(pilot, lambda: scene(app).run.state.status == "paused")  # type: ignore[union-attr]
            await pilot.press("+")
            await until(pilot, lambda: other.received == [Pause(), ScaleLr(1.25)])
            assert app.session.runs == []


async def test_without_a_store_the_list_is_empty(folder: Path) -> None:
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.4)
        assert "No runs yet" in lines(app)[0]
        assert not trouble(app)
        keep_three(folder)
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        for path in folder.glob(f"{DATABASE}*"):
            path.unlink()
        await until(pilot, lambda: "No runs yet" in lines(app)[0])


async def test_a_damaged_store_is_reported_and_runs_of_this_process_stay(folder: Path) -> None:
    folder.mkdir()
    (folder / DATABASE).write_bytes(b"nothing that SQLite knows" * 100)
    app = app_on(folder, recorded_run(60))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "not an SQLite database" in trouble(app).replace("\n", " "))
        assert numbers(app) == [1]
        await pilot.press("5", "+")
        assert app.session.last.sent == [ScaleLr(1.25)]


async def test_unreadable_settings_of_one_run_hide_no_other_run(folder: Path) -> None:
    keep_three(folder)
    connection = sqlite3.connect(folder / DATABASE)
    connection.execute("UPDATE runs SET spec = '{}broken' WHERE id = 2")
    connection.commit()
    connection.close()
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 1])
        assert "run #2 can't be read" in trouble(app)


async def test_a_locked_store_is_reported_and_keys_still_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.store.source.BUSY_SECONDS", 0.05)
    keep_three(folder)
    connection = sqlite3.connect(folder / DATABASE, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN EXCLUSIVE")
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "locked" in trouble(app))
        began = time.monotonic()
        await pilot.press("5", "1", "z")
        # as long as the lock is held
        assert time.monotonic() - began < 10.0
        connection.execute("ROLLBACK")
        await until(pilot, lambda: numbers(app) == [3, 2, 1] and not trouble(app))
    connection.close()


async def test_three_hundred_runs_do_not_delay_the_first_frame(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_read = threading.Event()
    read = SourceWatcher._work

    def wait_and_read(self: SourceWatcher) -> None:
        assert may_read.wait(SECONDS)
        read(self)

    monkeypatch.setattr(SourceWatcher, "_work", wait_and_read)
    writer = Writer(folder, lambda _: None)
    for _ in range(300):
        new_recorder(writer, RunSpec(schedule=STEP))
    assert writer.close(SECONDS)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        assert numbers(app) == []
        may_read.set()
        await until(pilot, lambda: len(numbers(app)) == 300)
        await pilot.press("5", "end")
        assert app.view.selected == 1
        await asyncio.sleep(0)


async def test_the_lines_of_a_long_list_are_current_wherever_it_is_scrolled_to(folder: Path) -> None:
    writer = Writer(folder, lambda _: None)
    recorders = [new_recorder(writer, RunSpec(schedule=STEP)) for _ in range(200)]
    events = recorded_run(330, epochs=10)
    started = [event for event in events if event.step == 0 and not isinstance(event, StepDone)]
    for recorder in recorders:
        for event in started:
            recorder.publish(event)
    app = app_on(folder)
    async with app.run_test(size=(140, 36)) as pilot:
        await until(pilot, lambda: len(numbers(app)) == 200)
        for recorder in recorders:
            for event in events:
                if isinstance(event, StepDone):
                    recorder.publish(event)
        # 50 steps an epoch
        await until(pilot, lambda: "6/10" in painted(app)[0])
        assert all("6/10" in line for line in painted(app))
        for keys in (("5", "end"), ("home",), ("pagedown", "pagedown", "up")):
            await pilot.press(*keys)
            await until(pilot, lambda: all("6/10" in line for line in painted(app)))
        assert all("6/10" in line for line in lines(app))
    assert writer.close(SECONDS)


async def test_a_deleted_run_leaves_the_screen(folder: Path) -> None:
    keep_three(folder)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [3, 2, 1])
        await pilot.press("5", "down", "m")
        await until(pilot, lambda: scene(app).run is not None and scene(app).run.state.step == 330)  # type: ignore[union-attr]
        connection = sqlite3.connect(folder / DATABASE)
        connection.execute("DELETE FROM runs WHERE id = 3")
        connection.commit()
        connection.close()
        await until(pilot, lambda: numbers(app) == [2, 1])
        assert scene(app).run is None
        assert scene(app).pinned == []
