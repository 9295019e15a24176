"""The effect of keys on the charts: axis, window, cursor, export."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.run.comparison import compare
from lrtui.run.events import EvalDone, StepDone
from lrtui.run.spec import RunSpec
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.view import View
from lrtui.tui.x_axis import step_at

MEASURED = [
    replace(event, metrics={"f1": 0.5 + event.epoch / 100, "recall": 0.25}) if isinstance(event, EvalDone) else event
    for event in recorded_run(330)
]
"""A run whose task measures more than accuracy."""

RUNNING = recorded_run(330, switch_at=140, nudge_at=260)
SIZE = (120, 36)


def rule(app: PlayedApp, pane: str) -> str:
    return app.screen.query_one(f"#{pane}").query_one(Frame).render().plain


def drawn(app: PlayedApp, pane: str) -> str:
    return app.screen.query_one(f"#{pane}").query_one(ChartView).text()


def curved(app: PlayedApp, pane: str) -> int:
    """Return how many cells of the chart have Braille dots."""
    return sum("\u2800" < sign <= "\u28ff" for sign in drawn(app, pane))


def shown(app: PlayedApp, pane: str = "accuracy") -> tuple[float, float]:
    chart = app.screen.query_one(f"#{pane}").query_one(ChartView).chart
    assert chart is not None
    return chart.x_low, chart.x_high


async def test_a_cycles_the_x_axis_of_all_charts() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot)
        assert "epoch" in drawn(app, "accuracy")
        await press(pilot, "a")
        assert "step" in drawn(app, "accuracy")
        assert {shown(app, pane) for pane in ("lr", "loss", "accuracy")} == {(0.0, 500.0)}
        await press(pilot, "a")
        assert "time" in drawn(app, "accuracy")
        assert "mean time per step" in message(app)
        state = app.session.last.state
        assert shown(app)[1] >= state.elapsed / state.step * state.total_steps
        await press(pilot, "a")
        assert "epoch" in drawn(app, "accuracy")


async def test_without_a_run_there_is_no_time_axis() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "a")
        assert app.view.viewport.axis == "step"
        await press(pilot, "a")
        assert app.view.viewport.axis == "epoch"
        assert "time is available once a run has started" in message(app)


async def test_brackets_zoom_and_0_shows_the_whole_run_again() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot)
        low, high = shown(app)
        await press(pilot, "]")
        inner = shown(app)
        assert low < inner[0] < inner[1] < high
        assert {shown(app, pane) for pane in ("lr", "loss", "accuracy")} == {inner}
        await press(pilot, "]", "[")
        assert shown(app) == pytest.approx(inner)
        await press(pilot, "[")
        assert shown(app) == (low, high)
        await press(pilot, "[")
        assert "whole run" in message(app)
        for key in ("0", "home"):
            await press(pilot, "]", "]", key)
            assert shown(app) == (low, high)


async def test_zooming_ends_at_single_steps() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, *["]"] * 20)
        assert "single steps" in message(app)
        low, high = shown(app)
        assert (high - low) * 50 >= 2


async def test_shift_and_an_arrow_pans() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "shift+left")
        assert "zooms in" in message(app)
        await press(pilot, "]", "]")
        before = shown(app)
        await press(pilot, "shift+left")
        after = shown(app)
        assert after[0] < before[0]
        assert after[1] - after[0] == pytest.approx(before[1] - before[0])
        await press(pilot, *["shift+left"] * 30)
        assert shown(app)[0] == 0.0


async def test_every_chart_shows_the_exact_values_at_the_cursor() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    state = app.session.last.state
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "a", "left", *["left"] * 12)
        cursor = app.view.viewport.cursor
        assert cursor is not None
        step = int(cursor)
        assert f"step {step} · lr {state.lrs[0][step]}" in rule(app, "lr")
        assert f"{state.smoothed(state.loss, 100)[step]:.4g} (batch {state.loss[step]:.4g})" in rule(app, "loss")
        test = next(test for test in reversed(state.evaluations) if test.step <= step)
        assert f"{test.accuracy:.4f} (epoch {test.epoch})" in rule(app, "accuracy")
        for pane in ("lr", "loss", "accuracy"):
            columns = {line.index("┊") for line in drawn(app, pane).splitlines() if "┊" in line}
            assert len(columns) == 1


async def test_the_cursor_on_a_switch_shows_it() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "left")
        for _ in range(60):
            await press(pilot, "left")
            if "switched to" in rule(app, "lr"):
                break
        assert "switched to" in message(app)


async def test_the_cursor_shows_the_values_of_every_drawn_run() -> None:
    session = PlayedSession(recorded_run(500, outcome="done"), RUNNING)
    app = PlayedApp(session, View(RunSpec(), selected=2, pinned=[1]))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "left", "left", "left")
        for pane in ("lr", "loss", "accuracy"):
            assert " A " in rule(app, pane)
            assert " B " in rule(app, pane)


async def test_after_the_newest_step_the_cursor_shows_the_forecast() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "right", "right", "right", "right")
        assert "lr will be 0.00" in rule(app, "lr")
        assert "train -" in rule(app, "loss")


async def test_escape_removes_the_cursor_before_it_leaves_full_screen() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "enter", "left", "escape")
        assert app.view.viewport.cursor is None
        assert app.screen.has_class("-one")
        assert "┊" not in drawn(app, "lr")
        await press(pilot, "escape")
        assert not app.screen.has_class("-one")


async def test_the_cursor_stays_at_its_step_when_the_axis_changes() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "left", "left", "left", "]", "]")
        before = rule(app, "loss").split("step ")[1]
        for _ in range(3):
            await press(pilot, "a")
            assert rule(app, "loss").split("step ")[1].split(" · ")[0] == before.split(" · ")[0]


@pytest.mark.parametrize("key", ["]", "[", "shift+left", "0", "right", "E", "l"])
async def test_chart_view_controller_need_a_focused_chart(key: str) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "5", key)
        assert "go to a chart first" in message(app)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    made = tmp_path / "work"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


async def test_e_saves_the_focused_chart_and_says_where(folder: Path) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "2", "E")
        assert "saved lrtui-run-1-loss.svg, .txt and .csv" in message(app)
        assert (folder / "lrtui-run-1-loss.txt").read_text().splitlines()[1:] == drawn(app, "loss").splitlines()
        assert "<svg" in (folder / "lrtui-run-1-loss.svg").read_text()
        await press(pilot, "E")
    names = sorted(path.name for path in folder.iterdir())
    assert len(names) == 6
    with (folder / "lrtui-run-1-loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    state = app.session.last.state
    lows = [float(row["#1 train loss low"]) for row in rows if row["#1 train loss low"]]
    assert min(lows) == state.loss.values.min()
    tests = [float(row["#1 test loss"]) for row in rows if row["#1 test loss"]]
    assert tests == [test.loss for test in state.evaluations]


async def test_an_export_to_a_read_only_folder_names_the_folder(folder: Path) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot)
        folder.rmdir()
        await press(pilot, "E")
        assert "not saved" in message(app)


async def test_3_again_shows_the_next_metric() -> None:
    app = PlayedApp(PlayedSession(MEASURED))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3")
        assert "Test accuracy" in rule(app, "accuracy")
        await press(pilot, "3")
        assert "Test f1" in rule(app, "accuracy")
        assert "3: recall" in rule(app, "accuracy")
        assert "0.56" in rule(app, "accuracy")
        await press(pilot, "3", "3")
        assert "Test accuracy" in rule(app, "accuracy")


async def test_a_wide_screen_has_a_pane_for_each_further_metric() -> None:
    app = PlayedApp(PlayedSession(MEASURED))
    async with app.run_test(size=(200, 60)) as pilot:
        # a new pane is drawn after its layout
        await until(pilot, lambda: bool(app.screen.query("#metric-1")) and "●" in drawn(app, "metric-1"))
        assert ["f1" in rule(app, "metric-0"), "recall" in rule(app, "metric-1")] == [True, True]
        assert "●" in drawn(app, "metric-0")
        assert shown(app, "metric-0") == shown(app)
        await press(pilot, "left")
        assert "(epoch 6)" in rule(app, "metric-0")
        await press(pilot, "escape", "enter")
        assert not app.screen.query_one("MetricPanes").display
        await press(pilot, "enter")
        await until(pilot, lambda: "●" in drawn(app, "metric-0"))


async def test_a_test_metric_named_lr_is_shown_as_one() -> None:
    named_lr = [replace(event, metrics={"lr": 0.25}) if isinstance(event, EvalDone) else event for event in RUNNING]
    app = PlayedApp(PlayedSession(named_lr))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "3")
        assert "Test lr" in rule(app, "accuracy")
        assert "0.25" in rule(app, "accuracy")
        state = app.session.runs[0].state
        assert state.current_lrs != (0.25,)
        comparison = compare([state, state])
        assert comparison.metrics == ("accuracy", "loss", "lr")
        assert comparison.final["lr"].values == (0.25, 0.25)


WITH_NORMS = [
    replace(event, metrics={"grad_norm": 2.0 + event.step % 5} if event.step % 2 == 0 else {})
    if isinstance(event, StepDone)
    else event
    for event in RUNNING
]
"""A run whose steps have a metric, every second one."""


async def test_a_metric_of_the_steps_gets_a_pane_by_itself() -> None:
    app = PlayedApp(PlayedSession(WITH_NORMS))
    async with app.run_test(size=(200, 60)) as pilot:
        await until(
            pilot,
            lambda: (
                bool(app.screen.query("#metric-0"))
                and "grad_norm" in rule(app, "metric-0")
                and curved(app, "metric-0") > 20
            ),
        )
        assert "grad_norm" in rule(app, "metric-0")
        assert shown(app, "metric-0") == shown(app)
        state = app.session.runs[0].state
        series = state.metrics["grad_norm"]
        assert f" {state.smoothed(series, 100).last:.4g} " in rule(app, "metric-0")
        await press(pilot, "left", "left")
        step = step_at(state, app.view.viewport.cursor or 0.0, "epoch")
        exact = f"{series[step]:.4g}" if step % 2 == 0 else "-"
        assert f"{state.smoothed(series, 100)[step]:.4g} (batch {exact})" in rule(app, "metric-0")


async def test_on_a_small_screen_a_metric_of_the_steps_is_reached_with_3() -> None:
    app = PlayedApp(PlayedSession(WITH_NORMS))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "3", "3")
        assert "grad_norm" in rule(app, "accuracy")
        assert "Test grad_norm" not in rule(app, "accuracy")
        assert "3: accuracy" in rule(app, "accuracy")
        assert curved(app, "accuracy") > 20


async def test_a_task_without_further_metrics_has_no_panes_for_them() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(200, 60)) as pilot:
        await press(pilot, "3", "3")
        assert not app.screen.query("#metric-0")
        assert "Test accuracy" in rule(app, "accuracy")


async def test_charts_are_drawn_in_ascii_if_the_view_says_so() -> None:
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1, ascii=True))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, "left")
        for pane in ("lr", "loss", "accuracy"):
            assert drawn(app, pane).isascii()
            assert "*" in drawn(app, pane)


async def test_every_chart_marks_a_diverged_run() -> None:
    app = PlayedApp(PlayedSession(recorded_run(170, outcome="diverged")))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot)
        for pane in ("lr", "loss", "accuracy"):
            assert "!" in drawn(app, pane).splitlines()[0]


@pytest.mark.parametrize("axis", ["a", "aa", "aaa"])
async def test_a_zoomed_window_follows_the_newest_step_on_every_axis(axis: str) -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=SIZE) as pilot:
        await press(pilot, *axis, "]", "]", "]")
        before = shown(app)
        more = recorded_run(400)
        app.session.last.say(*more[len(recorded_run(120)) :])
        # at the chart's own pace
        await until(pilot, lambda: shown(app) != before)
        after = shown(app)
        assert after[0] > before[0]
        assert after[1] - after[0] == pytest.approx(before[1] - before[0])
