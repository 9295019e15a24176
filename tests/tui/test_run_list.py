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

    def set_all_steps(self, step: int) -> None:
        self._runs = [replace(run, step=step, seconds=float(step)) for run in self._runs]

    def add_and_remove(self, added: int, removed: int) -> None:
        """Add runs above all others, and remove the first ones."""
        new = [replace(self._runs[0], id=RunId(self.name, f"new-{key}"), created=2000.0 + key) for key in range(added)]
        self._runs = [*reversed(new), *self._runs[removed:]]

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
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).numbers) == COUNT)
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
        await until(pilot, lambda: app.cockpit.query_one(RunList).highlighted == 1)
        await pilot.pause(0.3)
        # the lr of a run whose events are read is drawn from all its steps
        assert {run.id.key for run in formatted} <= {"run-0", "run-1"}
        assert layouts == []


async def test_a_run_that_changes_is_the_only_line_that_is_formatted(
    app: PlayedApp, runs: Runs, formatted: list[RunSummary]
) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).numbers) == COUNT)
        runs.set_step(3, 6)
        await until(pilot, lambda: "0.6" in lines(app)[3])
        formatted.clear()
        runs.set_step(3, 7)
        await until(pilot, lambda: "0.7" in lines(app)[3])
        assert {run.id.key for run in formatted} == {"run-3"}


async def test_the_lines_at_the_cursor_are_painted_anew_when_the_list_scrolls(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).numbers) == COUNT)
        await press(pilot, "5", "end")
        assert f"run-{COUNT - 1}" in lines(app)[-1]
        await press(pilot, "home")
        assert "run-0" in lines(app)[0]


async def test_of_runs_that_all_progress_only_the_lines_on_the_screen_are_formatted(
    app: PlayedApp, runs: Runs, formatted: list[RunSummary]
) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(app.cockpit.query_one(RunList).numbers) == COUNT)
        await press(pilot, "5", "home")
        await pilot.pause(0.3)
        formatted.clear()
        runs.set_all_steps(2000)
        await until(pilot, lambda: any(run.step == 2000 for run in formatted))
        await pilot.pause(0.3)
        shown = {f"run-{place}" for place in range(len(lines(app)))}
        assert len(shown) < COUNT
        assert {run.id.key for run in formatted} == shown


async def test_the_cursor_stays_at_its_run_and_at_its_place_when_others_come_and_go(app: PlayedApp, runs: Runs) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        shown = app.cockpit.query_one(RunList)
        await until(pilot, lambda: len(shown.numbers) == COUNT)
        await press(pilot, "5", "end", *["up"] * 10)
        number = shown.number_at_cursor
        assert number is not None
        place = shown.numbers.index(number) - shown.scroll_offset.y
        assert f"run-{COUNT - 11}" in lines(app)[place]
        runs.add_and_remove(5, 2)
        await until(pilot, lambda: len(shown.numbers) == COUNT + 3)
        assert shown.number_at_cursor == number == app.cockpit.view.selected
        assert f"run-{COUNT - 11}" in lines(app)[place]
        # by name: the new runs are listed first, then run-10, and the cursor's line is brought on the screen
        for _ in range(3):
            await press(pilot, "o")
            assert shown.number_at_cursor == number == app.cockpit.view.selected
            assert any(f"run-{COUNT - 11}" in line for line in lines(app))
        await press(pilot, "down")
        assert f"run-{COUNT - 10}" in str(shown.lines[shown.highlighted or 0])


async def test_a_run_that_the_filter_hides_is_under_the_cursor_again_when_it_is_cleared(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        shown = app.cockpit.query_one(RunList)
        await until(pilot, lambda: len(shown.numbers) == COUNT)
        await press(pilot, "5", *["down"] * 3)
        number = shown.number_at_cursor
        await press(pilot, "slash", *"step>9")
        await until(pilot, lambda: not shown.numbers)
        assert shown.number_at_cursor is None
        assert "No run matches" in lines(app)[0]
        await press(pilot, "escape")
        await until(pilot, lambda: len(shown.numbers) == COUNT)
        assert shown.number_at_cursor == number


async def test_a_click_moves_the_cursor_to_the_line_in_a_list_that_has_scrolled(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        shown = app.cockpit.query_one(RunList)
        await until(pilot, lambda: len(shown.numbers) == COUNT)
        await press(pilot, "5", "end")
        await pilot.click(RunList, offset=(5, 2))
        await pilot.pause()
        assert shown.highlighted == shown.scroll_offset.y + 2 > 2
        assert app.cockpit.view.selected == shown.number_at_cursor
