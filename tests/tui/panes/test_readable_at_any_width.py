"""The header, the tabs, the log, the title lines and the settings' errors are readable at any width."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.widgets import Input, Log, Static

from lrtui.run.events import EvalDone, Event, Notice, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.header import figures_line, progress_line, title_line
from lrtui.tui.panes.metrics import AccuracyPane, metric_in_pane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.screens.settings import SettingRow

RUNNING = recorded_run(330)


def test_a_long_schedule_is_cut_before_the_device_is() -> None:
    spec = RunSpec(schedule=f"LambdaLR('{'1 + ' * 60}1')", task="some/where/my_task.py:Mine", device="cpu")
    line = title_line("#3", spec, None, 120).plain
    assert len(line) <= 120
    assert "#3 Mine · LambdaLR(" in line
    assert "…" in line
    assert "· cpu · seed 0 " in line


async def test_the_tabs_and_the_line_of_figures_fit_every_width() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(80, 24)) as pilot:
        for width in (80, 70, 60, 40):
            await pilot.resize_terminal(width, 24)
            await press(pilot, "5")
            text = app.screen.query_one(Tabs).render().plain
            assert len(text) <= width
            assert "…" not in text
            assert "[5 runs]" in text
            figures = figures_line(app.cockpit.scene, width)
            assert len(figures) <= width
            assert "lr 0.0001563" in figures
        figures = figures_line(app.cockpit.scene, 90)
        expected = "lr 0.0001563 train loss 0.2995 test loss 0.2563 accuracy 0.9176 +0.0081"
        assert figures.split() == expected.split()


async def test_the_log_wraps_long_lines_and_wraps_them_again_at_another_width() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "4")
        text = "loss fails on what it is given: " + "word " * 40 + "the-end"
        app.session.last.say(Notice(seq=999, step=330, seconds=9.0, level="error", code="x", text=text))
        log = app.screen.query_one(Log)
        await until(pilot, lambda: "the-end" in log.lines[-1])
        wide = log.line_count
        await pilot.resize_terminal(50, 24)
        await until(pilot, lambda: log.line_count != wide)
        room = log.scrollable_content_region.width
        assert all(len(line) <= room for line in log.lines)
        assert "the-end" in log.lines[-1]
        assert log.max_scroll_y - log.scroll_offset.y <= 0


async def test_the_lr_pane_has_the_axis_while_no_chart_is_drawn_below_it() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "epoch" in app.screen.query_one("#lr").query_one(ChartView).text())


async def test_the_legend_is_there_though_the_run_on_screen_has_no_loss() -> None:
    app = PlayedApp(PlayedSession(RUNNING, recorded_run(330), []))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "5")
        for _ in range(2):
            await press(pilot, "m", "down")
            await pilot.pause(0.2)
        rule = app.screen.query_one("#loss").query_one(Frame)
        await until(pilot, lambda: "#" in rule.render().plain)


async def test_an_error_in_the_settings_names_the_setting_as_the_form_does() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "e")
        row = next(row for row in app.screen.query(SettingRow) if row.item.name == "batch_size")
        row.query_one(Input).value = "x"
        await pilot.pause()
        text = str(row.query_one(".row-error", Static).render())
        assert text.startswith("batch size takes")
        assert "schedule" in str(app.screen.query_one("#about", Static).render())


@pytest.mark.parametrize("width", [30, 50])
def test_what_a_run_waits_for_is_cut_with_an_ellipsis(width: int) -> None:
    state = RunState()
    state.fold(recorded_run(0)[:2])
    line = progress_line(RunSpec(), state, width).plain
    assert len(line) == width
    assert line.endswith("…")


async def test_there_is_no_change_from_or_to_an_accuracy_that_is_not_finite() -> None:
    events = recorded_run(330)
    tests = [event for event in events if isinstance(event, EvalDone)]
    changed = [replace(event, accuracy=math.nan) if event is tests[-1] else event for event in events]
    app = PlayedApp(PlayedSession(changed))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert figures_line(app.cockpit.scene, 120).endswith("accuracy nan")


async def test_the_metric_that_the_task_names_as_best_is_in_the_header_and_the_first_in_the_accuracy_pane() -> None:
    def named(event: Event) -> Event:
        if isinstance(event, RunStarted):
            return replace(event, best="auc", mode="max")
        return replace(event, metrics={"auc": 0.9 - event.epoch / 10}) if isinstance(event, EvalDone) else event

    app = PlayedApp(PlayedSession([named(event) for event in recorded_run(100)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        scene = app.cockpit.scene
        assert figures_line(scene, 120).endswith("auc 0.7 -0.1000")
        assert metric_in_pane(scene) == "auc"
        pane = app.cockpit.query_one(AccuracyPane)
        assert pane.values_of(scene) == "best 0.8, epoch 1  3: accuracy"
        await pilot.press("3", "3")
        assert metric_in_pane(app.cockpit.scene) == "accuracy"
