"""How much of the list of runs is formatted and laid out again when something in it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from textual.screen import Screen

from lrtui.run.events import StepDone
from lrtui.run.feed import ListFeed
from lrtui.run.source import RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import RunSpec
from lrtui.tui.run_list import pane
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.view import View

COUNT = 40


class Runs(RunSource):
    """Runs of five steps each, the first one listed first."""

    name = "/logs"

    def __init__(self) -> None:
        self._runs = [
            RunSummary(id=RunId(self.name, f"run-{key}"), created=1000.0 - key, step=5, lrs=[0.1, 0.01])
            for key in range(COUNT)
        ]

    def set_step(self, place: int, step: int) -> None:
        runs = list(self._runs)
        runs[place] = replace(runs[place], step=step, best_loss=step / 10)
        self._runs = runs

    def runs(self) -> Sequence[RunSummary]:
        return self._runs

    def feed(self, key: int | str) -> ListFeed:
        steps = [
            StepDone(seq=1 + i, step=i, seconds=0.1 * i, epoch=1, batch=i, loss=2.0 - i / 10, lrs=(0.01,))
            for i in range(5)
        ]
        return ListFeed([run_started(total_steps=5), *steps])


@pytest.fixture
def runs() -> Runs:
    return Runs()


@pytest.fixture
def app(runs: Runs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> PlayedApp:
    monkeypatch.setattr("lrtui.plugins.open_sources", lambda spec: ([runs], []))
    return PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))


@pytest.fixture
def formatted(monkeypatch: pytest.MonkeyPatch) -> list[RunSummary]:
    """The runs whose lines have been formatted."""
    found: list[RunSummary] = []
    run_line = pane.run_line

    def counted(run: RunSummary, *parts: Any) -> Any:
        found.append(run)
        return run_line(run, *parts)

    monkeypatch.setattr(pane, "run_line", counted)
    return found


def lines(app: PlayedApp) -> list[str]:
    """Return what is painted of the list."""
    options = app.cockpit.query_one(RunList)
    return [options.render_line(y).text for y in range(options.size.height)]


async def test_a_move_of_the_cursor_formats_only_the_lines_that_it_changes(
    app: PlayedApp, formatted: list[RunSummary], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).options) == COUNT)
        await press(pilot, "5")
        for key in ("down", "down", "up"):
            await press(pilot, key)
            await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step))
        await pilot.pause(0.3)
        formatted.clear()
        layouts: list[Screen[Any]] = []
        lay_out = Screen._refresh_layout

        def counted(screen: Screen[Any], *args: Any, **options: Any) -> None:
            layouts.append(screen)
            lay_out(screen, *args, **options)

        monkeypatch.setattr(Screen, "_refresh_layout", counted)
        await press(pilot, "down")
        await pilot.pause(0.3)
        assert app.cockpit.query_one(RunList).highlighted == 1
        # the lr of a run whose events are read is drawn from all its steps
        assert {run.id.key for run in formatted} <= {"run-0", "run-1"}
        assert layouts == []


async def test_a_run_that_changes_is_the_only_line_that_is_formatted(
    app: PlayedApp, runs: Runs, formatted: list[RunSummary]
) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).options) == COUNT)
        runs.set_step(3, 6)
        await until(pilot, lambda: "0.6" in lines(app)[3])
        formatted.clear()
        runs.set_step(3, 7)
        await until(pilot, lambda: "0.7" in lines(app)[3])
        assert {run.id.key for run in formatted} == {"run-3"}


async def test_the_lines_at_the_cursor_are_painted_anew_when_the_list_scrolls(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).options) == COUNT)
        await press(pilot, "5", "end")
        assert f"run-{COUNT - 1}" in lines(app)[-1]
        await press(pilot, "home")
        assert "run-0" in lines(app)[0]
