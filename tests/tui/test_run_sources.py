"""Runs of sources other than the store in the cockpit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from rich.cells import cell_len
from store_runs import store_events
from textual.pilot import Pilot
from waiting import SECONDS, wait_for

from lrtui.actions import ACTIONS_BY_NAME, footer_entries
from lrtui.run.events import StepDone
from lrtui.run.feed import FeedItem, ListFeed, Rewritten
from lrtui.run.source import RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import RunSpec
from lrtui.store.source import open_source
from lrtui.tui.panes.chart_pane import glyph_of
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.header import progress_line, title_line
from lrtui.tui.panes.settings import settings_lines
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.run_list.source_runs import ShownRun, SourceRuns, key_of
from lrtui.tui.run_list.watcher import NewEvents, Reading, SourceWatcher, WatchRequest
from lrtui.tui.screens.code import CodeScreen
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.view import View
from lrtui.tui.x_axis import end_of

READ_ONLY = "losses.csv takes no commands."


class LogSource(RunSource):
    """A log with two runs, one of which can't be read."""

    def __init__(self, name: str, steps: int) -> None:
        self.name, self._steps = name, steps
        self.seconds_per_step = 0.1
        self._runs = [RunSummary(id=RunId(name, 1), step=steps), RunSummary(id=RunId(name, "broken"))]

    def replace_runs(self, *runs: RunSummary) -> None:
        self._runs = list(runs)

    def runs(self) -> Sequence[RunSummary]:
        return self._runs

    def feed(self, key: int | str) -> ListFeed:
        if key == "broken":
            raise ValueError("no such column")
        steps = [
            StepDone(
                seq=1 + i, step=i, seconds=self.seconds_per_step * i, epoch=1, batch=i, loss=2.0 - i / 10, lrs=(0.01,)
            )
            for i in range(self._steps)
        ]
        return ListFeed([run_started(total_steps=self._steps), *steps])


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is saved there."""
    monkeypatch.chdir(tmp_path)


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
        assert len(app.cockpit.query_one(RunList).numbers) == 5


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


@pytest.fixture
def log() -> LogSource:
    """A log with one run, which is training and whose schedule is unknown."""
    source = LogSource("/logs/losses.csv", 5)
    source.replace_runs(training_log(source))
    return source


def training_log(source: LogSource, **known: Any) -> RunSummary:
    return replace(
        RunSummary(id=RunId(source.name, "losses.csv"), state="running", step=5, read_only=READ_ONLY), **known
    )


@pytest.fixture
def log_app(log: LogSource, monkeypatch: pytest.MonkeyPatch) -> PlayedApp:
    """A cockpit whose only run is that of the log."""
    monkeypatch.setattr("lrtui.plugins.open_sources", lambda spec: ([log], []))
    return PlayedApp(PlayedSession(), View(RunSpec(store="none")))


async def show_log(pilot: Pilot[Any], app: PlayedApp) -> None:
    await until(pilot, lambda: len(ids(app)) == 1)
    app.cockpit.show_run(next(iter(ids(app))))
    await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step))


def on_screen(app: PlayedApp) -> ShownRun:
    run = app.cockpit.scene.run
    assert run is not None
    return run


@pytest.mark.parametrize("key", ["s", "space", "x", "+", "-", "=", "u", "f"])
async def test_commands_to_a_read_only_run_are_refused_at_once(key: str, log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        await press(pilot, {"+": "plus", "-": "minus", "=": "equals_sign"}.get(key, key))
        assert log_app.screen is log_app.cockpit
        assert f"{key}: {READ_ONLY}" in message(log_app)


async def test_a_scheduler_of_the_palette_is_refused_for_a_read_only_run(log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        log_app.cockpit.controllers.picker.open("StepLR")
        await pilot.pause()
        assert log_app.screen is log_app.cockpit
        assert READ_ONLY in message(log_app)


async def test_the_footer_offers_no_command_for_a_read_only_run(log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        situation = log_app.cockpit.scene.situation
        titles = {entry.title for entry in footer_entries(situation, {})}
        assert not titles & {"schedule", "switch", "pause", "stop", "lr", "undo", "find lr"}
        assert ACTIONS_BY_NAME["restart"].title_in(situation) == "start"


async def test_the_code_of_an_unknown_schedule_is_refused(log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        await press(pilot, "y")
        assert "y: the schedule of run losses.csv is unknown" in message(log_app)


async def test_titles_name_a_run_of_a_source_as_the_run_list_does(log: LogSource, log_app: PlayedApp) -> None:
    log.replace_runs(training_log(log, state="done", schedule="StepLR(2)"))
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        assert key_of(on_screen(log_app)) == "losses.csv"
        await press(pilot, "y")
        await until(pilot, lambda: isinstance(log_app.screen, CodeScreen))
        assert "Code of run losses.csv" in log_app.screen.query_one(Frame)._title
        await press(pilot, "escape")
        await press(pilot, "m")
        assert "Run losses.csv pinned" in message(log_app)


async def test_the_picker_names_a_run_that_takes_commands_as_the_run_list_does(
    log: LogSource, log_app: PlayedApp
) -> None:
    log.replace_runs(training_log(log, read_only="", schedule="StepLR(2)"))
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        await press(pilot, "s")
        await until(pilot, lambda: isinstance(log_app.screen, PickerScreen))
        assert str(log_app.screen.query_one("#picker").border_title).startswith(
            "Switch the schedule of run losses.csv at step 5"
        )


async def test_a_log_that_grows_past_its_announced_total_stays_at_100_percent(log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        run = on_screen(log_app)
        steps = [
            StepDone(seq=1 + i, step=i, seconds=0.1 * i, epoch=1, batch=i, loss=1.0, lrs=(0.01,))
            for i in range(5, 1_200)
        ]
        run.state.fold(steps)
        line = progress_line(run.spec, run.state, 120).plain
        assert cell_len(line) <= 120
        assert "100 %   1,200/5   ETA 0s" in line
        # the lr of a schedule that has ended is not drawn either
        log_app.cockpit.draw_now()


UNKNOWN_LENGTH = [
    run_started(),
    *(
        StepDone(seq=1 + i, step=i, seconds=0.1 * (i + 1), epoch=1, batch=i, loss=2.0, lrs=(0.01,))
        for i in range(1_234)
    ),
]


async def test_a_log_of_unknown_length_is_shown_up_to_its_newest_step(
    log: LogSource, log_app: PlayedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "feed", lambda key: ListFeed(list(UNKNOWN_LENGTH)))
    log.replace_runs(training_log(log, schedule="StepLR(2)"))
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        run = on_screen(log_app)
        assert run.state.started is not None
        assert run.state.started.total_steps is None
        assert run.state.seconds_left is None
        assert progress_line(run.spec, run.state, 120).plain == " epoch 1   1,234 steps in 2m03s"
        assert settings_lines(run.spec, run.state) == [("schedule", "StepLR(2)")]
        for axis, end in (("step", 1_300.0), ("epoch", 1_300.0), ("time", 125.0)):
            log_app.cockpit.scene.view.viewport.axis = axis
            assert end_of(run.state, 10, axis) == pytest.approx(end, rel=0.2)
            assert end_of(run.state, 10, axis) >= 123
            log_app.cockpit.draw_now()
        await press(pilot, "y")
        assert "y: the length of run losses.csv is unknown" in message(log_app)


async def test_a_run_has_the_settings_of_its_summary(log: LogSource, log_app: PlayedApp) -> None:
    spec = RunSpec(schedule="StepLR(2)", optimizer="SGD(lr=0.5)", seed=7)
    log.replace_runs(training_log(log, spec=spec))
    async with log_app.run_test(size=(160, 36)) as pilot:
        await show_log(pilot, log_app)
        run = on_screen(log_app)
        assert run.spec == spec
        assert run.state.started is not None
        assert run.state.started.settings_known
        assert "SGD(lr=0.5) · seed 7" in title_line("x", run.spec, run.state, 160).plain
        assert ("optimizer", "SGD(lr=0.5)") in settings_lines(run.spec, run.state)


async def test_a_log_without_settings_shows_none(log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(160, 36)) as pilot:
        await show_log(pilot, log_app)
        run = on_screen(log_app)
        assert "Adam" not in title_line("x", run.spec, run.state, 160).plain
        assert [name for name, _ in settings_lines(run.spec, run.state)] == ["schedule", ""]
        # one epoch, which takes the whole axis
        assert end_of(run.state, 10, "epoch") == 1.0


async def test_a_log_that_continues_after_its_end_is_running_again(log: LogSource, log_app: PlayedApp) -> None:
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        for state in ("running", "done", "running", "done"):
            log.replace_runs(training_log(log, state=state))
            await until(pilot, lambda state=state: on_screen(log_app).state.status == state)  # type: ignore[misc]
            assert on_screen(log_app).is_live == (state == "running")


async def test_letters_of_runs_of_sources_follow_the_order_on_screen(app: PlayedApp) -> None:
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: len(ids(app)) == 5)
        numbers = {run_id: number for number, run_id in ids(app).items()}
        for name in ("b.csv", "a.csv"):
            app.cockpit.show_run(numbers[RunId(name, 1)])
            await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step))
            await press(pilot, "m")
        scene = app.cockpit.scene
        assert [glyph_of(run, scene) for run in scene.shown] == ["A", "B"]


async def test_the_time_axis_is_refused_for_a_log_without_times(log: LogSource, log_app: PlayedApp) -> None:
    log.seconds_per_step = 0.0
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        await press(pilot, "a", "a")
        assert log_app.cockpit.view.viewport.axis == "epoch"
        assert "the steps were logged without times" in message(log_app)


async def test_a_source_that_has_something_new_is_read_at_once(
    log: LogSource, log_app: PlayedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.tui.run_list.watcher.INTERVAL", 1_000.0)
    notify: list[Callable[[], None]] = []
    monkeypatch.setattr(log, "watch", notify.append)
    async with log_app.run_test(size=(120, 36)) as pilot:
        await show_log(pilot, log_app)
        log.replace_runs(training_log(log, name="renamed"))
        notify[0]()
        await until(pilot, lambda: on_screen(log_app).summary.name == "renamed")


def next_reading(watcher: SourceWatcher) -> Reading:
    wait_for(lambda: watcher.readings, lambda: "nothing is read")
    return watcher.readings.popleft()


def test_the_events_of_a_run_are_returned_before_its_source_reads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    may_read = threading.Event()

    class LargeLog(LogSource):
        calls = 0

        def runs(self) -> Sequence[RunSummary]:
            self.calls += 1
            if self.calls > 1:
                may_read.wait(2 * SECONDS)
            return super().runs()

    source, spec = LargeLog("large.csv", 5), RunSpec()
    monkeypatch.setattr("lrtui.plugins.open_sources", lambda spec: ([source], []))
    watcher = SourceWatcher()

    watcher.request(WatchRequest(spec))
    watcher.start()
    try:
        assert next_reading(watcher).runs is not None
        watcher.request(WatchRequest(spec, {7: RunId("large.csv", 1)}, frozenset({7})))
        # the source reads now, or begins to
        assert len(next_reading(watcher).events[7].events) == 6
    finally:
        may_read.set()
        watcher.close()


def test_before_the_settings_are_known_runs_are_read_once_with_their_first_events(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    class CountedLog(LogSource):
        def runs(self) -> Sequence[RunSummary]:
            calls.append("runs")
            return super().runs()

    def open_settings(spec: RunSpec) -> tuple[list[RunSource], list[str]]:
        calls.append("settings")
        return [LogSource("other.csv", 3)], []

    monkeypatch.setattr("lrtui.plugins.open_sources", open_settings)
    watcher = SourceWatcher(lambda: [CountedLog("given.csv", 5)])
    watcher.start()
    try:
        found = next_reading(watcher).runs
        assert found is not None
        assert [run.key for run in found] == [1, "broken"]
        opened = {7: RunId("given.csv", 1)}
        watcher.request(WatchRequest(None, opened, frozenset({7})))
        assert len(next_reading(watcher).events[7].events) == 6
        assert calls == ["runs"]
        watcher.request(WatchRequest(RunSpec(), opened, frozenset({7})))
        both = next_reading(watcher).runs
        assert both is not None
        assert {run.source for run in both} == {"given.csv", "other.csv"}
        assert calls[:2] == ["runs", "settings"]
    finally:
        watcher.close()


def test_the_steps_that_replace_a_sample_are_drawn_at_once() -> None:
    watcher = SourceWatcher()
    runs = SourceRuns(watcher)
    summary = RunSummary(id=RunId("large.csv", 1))

    def read(*events: FeedItem, from_start: bool = False) -> bool:
        watcher.readings.append(Reading(None, "", {1: NewEvents(from_start, events)}))
        runs.poll()
        return runs.take_opened()

    watcher.readings.append(Reading({summary.id: summary}, "", {}))
    runs.poll()
    runs.follow(RunSpec(), list(runs.summaries))
    step = StepDone(seq=1, step=0, seconds=0.0, epoch=1, batch=0, loss=2.0, lrs=(0.1,))
    assert read(run_started(), step, from_start=True)
    assert not read(replace(step, seq=2, step=1))
    assert read(Rewritten(0, -1), run_started(), step)
    # those that come later wait for their turn, and so do those of which only the newest are replaced
    assert not read(Rewritten(0, -1), run_started(), step)
    assert not read(Rewritten(0, 0), step)
