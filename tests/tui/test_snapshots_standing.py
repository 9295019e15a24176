"""Snapshots of the standing of a race."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import message, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from textual.pilot import Pilot

from lrtui.analysis.race.plan import Cell, Entrant, RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.run.events import EvalDone, Event
from lrtui.run.spec import RunSpec
from lrtui.store.liveness import this_process
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.screens.standing import StandingScreen
from lrtui.tui.view import View

Compare = Callable[..., bool]

SCHEDULES = ("ExponentialLR(gamma=0.1)", "OneCycleLR(max_lr=0.003)", "CosineAnnealingLR()", "StepLR(step_size=3)")


def run_of(schedule: int, seed: int, epochs: int) -> list[Event]:
    """Return the events of a run whose accuracy depends on schedule and seed."""

    def tested(event: Event) -> Event:
        if not isinstance(event, EvalDone):
            return event
        end, pace = (0.85, 0.93, 0.92, 0.90)[schedule], (0.8, 3.0, 2.0, 1.5)[schedule]
        accuracy = end - 0.2 * math.exp(-event.epoch / pace) + 0.001 * seed * (schedule + 1)
        return replace(event, accuracy=round(accuracy, 4))

    events = recorded_run(50 * epochs, schedule=SCHEDULES[schedule], outcome="done" if epochs == 10 else None)
    return [tested(event) for event in events]


@pytest.fixture(params=["first seed", "all"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a race of four schedules: in its first seed, or with all of its two seeds done."""
    seeds = (0, 1) if request.param == "all" else (0,)
    plan = RacePlan(0, 0.0, tuple(map(Entrant, SCHEDULES)), (0, 1), RunSpec(store=str(tmp_path)))
    PlanFiles(tmp_path).create(plan)
    plan.process = this_process()
    for seed in seeds:
        for index, schedule in enumerate(SCHEDULES):
            epochs = 10 if len(seeds) == 2 else (10, 10, 6, 0)[index]
            if epochs:
                cell = Cell(index, seed)
                spec = RunSpec(schedule=schedule, seed=seed, name=plan.run_name(cell))
                plan.runs[cell] = store_events(tmp_path, run_of(index, seed, epochs), spec)
    PlanFiles(tmp_path).save(plan)
    monkeypatch.setattr(PlanFiles, "is_running", lambda *_: len(seeds) == 1)
    return tmp_path


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)], ids=["80x24", "120x36", "200x50"])
def test_standing(size: tuple[int, int], store: Path, snap_compare: Compare) -> None:
    async def show(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, PlayedApp)
        await until(pilot, lambda: "t race" in message(app))
        await pilot.press("t")
        await until(
            pilot,
            lambda: isinstance(app.screen, StandingScreen) and "A" in app.screen.query_one(ChartView).text(),
        )

    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(store))))
    assert snap_compare(app, terminal_size=size, run_before=show)
