"""Runs of sources other than the store in the cockpit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events

from lrtui.run.events import StepDone
from lrtui.run.feed import ListFeed
from lrtui.run.source import RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import RunSpec
from lrtui.store.source import open_source
from lrtui.tui.run_list.pane import RunList
from lrtui.tui.view import View


class LogSource(RunSource):
    """A log with two runs, one of which can't be read."""

    def __init__(self, name: str, steps: int) -> None:
        self.name, self._steps = name, steps
        self._runs = [RunSummary(id=RunId(name, 1), step=steps), RunSummary(id=RunId(name, "broken"))]

    def runs(self) -> Sequence[RunSummary]:
        return self._runs

    def feed(self, key: int | str) -> ListFeed:
        if key == "broken":
            raise ValueError("no such column")
        steps = [
            StepDone(seq=1 + i, step=i, seconds=0.1 * i, epoch=1, batch=i, loss=2.0 - 0.1 * i, lrs=(0.01,))
            for i in range(self._steps)
        ]
        return ListFeed([run_started(total_steps=self._steps), *steps])


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlayedApp:
    """A cockpit on a store with run 1 and two logs that each have a run 1."""
    store_events(tmp_path, recorded_run(60, outcome="stopped"))
    logs = [LogSource("a.csv", 5), LogSource("b.csv", 7)]
    monkeypatch.setattr("lrtui.plugins.open_sources", lambda spec: ([open_source(spec), *logs], []))
    return PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))


def ids(app: PlayedApp) -> dict[int, RunId]:
    return {number: run.id for number, run in app.cockpit.source_runs.summaries.items()}


async def test_runs_with_the_same_id_in_two_sources_are_told_apart(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(ids(app)) == 5)
        assert ids(app)[1].source not in ("a.csv", "b.csv")
        numbers = {run_id: number for number, run_id in ids(app).items()}
        for name, steps in (("a.csv", 5), ("b.csv", 7)):
            app.cockpit.show_run(numbers[RunId(name, 1)])
            await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step))
            run = app.cockpit.scene.run
            assert run is not None
            assert len(run.state.loss) == steps
            assert (run.state.status, run.is_live, run.is_recorded) == ("done", False, False)
            await pilot.pause(0.3)
        assert len(app.cockpit.query_one(RunList).options) == 5


async def test_a_run_whose_events_can_not_be_read_is_reported(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(ids(app)) == 5)
        numbers = {run_id: number for number, run_id in ids(app).items()}
        app.cockpit.show_run(numbers[RunId("a.csv", "broken")])
        await until(pilot, lambda: "no such column" in app.cockpit.source_runs.trouble)


async def test_a_run_of_a_log_takes_no_commands(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(ids(app)) == 5)
        numbers = {run_id: number for number, run_id in ids(app).items()}
        app.cockpit.show_run(numbers[RunId("a.csv", 1)])
        await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step))
        await press(pilot, "space")
        assert "no run in progress" in message(app)
