"""The standing of a race on screen."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from textual.pilot import Pilot
from textual.widgets import Static

from lrtui.analysis.race.plan import Cell, Entrant, RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import rank
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.store.liveness import this_process
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.run_colours import chart_style
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.screens.standing import StandingScreen, progress_text
from lrtui.tui.screens.standing_page import StandingTable, standing_page
from lrtui.tui.view import View

SCHEDULES = ("StepLR(step_size=1, gamma=0.5)", "ConstantLR(factor=1.0)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with a race that this process seems to run: one of two runs is done."""
    plan = RacePlan(0, 0.0, tuple(map(Entrant, SCHEDULES)), (0,), RunSpec(store=str(tmp_path)))
    PlanFiles(tmp_path).create(plan)
    plan.process, plan.runs = this_process(), {Cell(0, 0): 1}
    name = plan.run_name(Cell(0, 0))
    store_events(tmp_path, recorded_run(500, outcome="done"), RunSpec(schedule=SCHEDULES[0], name=name))
    PlanFiles(tmp_path).save(plan)
    return tmp_path


def text(app: PlayedApp, name: str) -> str:
    return str(app.screen.query_one(f"#{name}", Static).render())


async def open_standing(pilot: Pilot[Any], app: PlayedApp) -> None:
    """Open the standing with its key, and wait until it has been read."""
    await until(pilot, lambda: "t race" in message(app))
    await press(pilot, "t")
    await until(pilot, lambda: isinstance(app.screen, StandingScreen) and "finished" in text(app, "progress"))


async def test_t_shows_the_standing_and_x_stops_the_race(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append((pid, number)))
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(folder))))
    async with app.run_test(size=(120, 36)) as pilot:
        await open_standing(pilot, app)
        assert "1 of 2 runs" in text(app, "progress")
        assert "about" in text(app, "progress")
        assert "not ranked: ConstantLR(factor=1.0)" in text(app, "page")
        await press(pilot, "x")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "x")
        assert killed == [(this_process().pid, signal.SIGTERM)]


async def test_a_race_that_has_ended_has_no_key_that_stops_it(folder: Path) -> None:
    running = [True]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlanFiles, "is_running", lambda *_: running[0])
        app = PlayedApp(PlayedSession(), View(RunSpec(store=str(folder))))
        async with app.run_test(size=(120, 36)) as pilot:
            await open_standing(pilot, app)
            assert "about" in text(app, "progress")
            assert "x stop the race" in text(app, "keys")
            await press(pilot, "x")
            assert isinstance(app.screen, ConfirmScreen)
            running[0] = False
            # the question closes, and the keys under it change
            await until(pilot, lambda: isinstance(app.screen, StandingScreen) and "stop" not in text(app, "keys"))
            await press(pilot, "x")
            assert isinstance(app.screen, StandingScreen)
            assert "nothing to stop" in str(app.screen.query_one(Frame).render())


def test_the_progress_of_an_interrupted_race_says_how_to_continue_it(tmp_path: Path) -> None:
    plan = RacePlan(3, 0.0, tuple(map(Entrant, SCHEDULES)), (0,), RunSpec())
    state = RunState()
    state.fold(recorded_run(500, outcome="done"))
    results = [CellResult.of_state(Cell(0, 0), 1, state), CellResult(Cell(1, 0))]
    shown = progress_text(plan, results, False, " --store x").plain
    assert "50 %" in shown
    assert "1 of 2 runs finished" in shown
    assert "lrtui race --resume 3 --store x continues it" in shown
    running = progress_text(plan, results, True, "").plain
    assert "left" in running


def test_each_schedule_has_a_curve_of_its_mean_tests() -> None:
    plan = RacePlan(3, 0.0, tuple(map(Entrant, (*SCHEDULES, "StepLR(step_size=2)"))), (0, 1), RunSpec(epochs=10))
    done, half = RunState(), RunState()
    done.fold(recorded_run(500, outcome="done"))
    half.fold(recorded_run(250))
    states = {Cell(0, 0): done, Cell(0, 1): half, Cell(1, 0): half}
    results = [
        CellResult.of_state(cell, 1, states[cell]) if cell in states else CellResult(cell) for cell in plan.cells
    ]
    page = standing_page(rank(plan, results), results, 100)
    # as far as both seeds
    assert {entrant: list(means) for entrant, means in page.means.items()} == {0: [1, 2, 3, 4, 5], 1: [1, 2, 3, 4, 5]}
    assert page.legends[0] == (
        (f"A {SCHEDULES[0]}", "chart--line-1"),
        ("  ", ""),
        (f"B {SCHEDULES[1]}", "chart--line-2"),
    )
    assert [letter for letter, line in page.lines if "not ranked: " in line] == [0, 1, 2]


async def test_the_table_has_the_letters_of_the_curves_in_their_colours(folder: Path) -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(folder))))
    async with app.run_test(size=(120, 36)) as pilot:
        await open_standing(pilot, app)
        rows = [line for line in text(app, "page").splitlines() if line.startswith(("A ", "B "))]
        assert rows[0].split()[1:3] == ["1", "StepLR(step_size=1,"]
        assert rows[1].startswith("B not ranked: ConstantLR(factor=1.0), unfinished")
        assert "unfinished: ConstantLR(factor=1.0) (0 of 1 seed done); the order may change" in text(app, "page")
        view = app.screen.query_one(ChartView)
        await until(pilot, lambda: "A" in view.text())
        in_chart = next(segment.style for line in view.segments() for segment in line if "A" in segment.text)
        table = app.screen.query_one(StandingTable)
        in_table = chart_style(table, "chart--line-1")
        assert in_chart is not None
        assert in_chart.color == in_table.color
        assert "A StepLR(step_size=1, gamma=0.5)" in app.screen.query_one("#curves Frame", Frame).render().plain
