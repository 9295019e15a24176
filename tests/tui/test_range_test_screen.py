"""The range test screen: what it shows while the test runs, and what the chosen lr is applied to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from range_curves import feed_curve, valley_losses
from recorded_runs import recorded_run
from textual.pilot import Pilot

from lrtui.run.commands import RangeTest, ScaleLr
from lrtui.run.errors import TaskError
from lrtui.run.events import Event, RunStarted, StepDone
from lrtui.run.range_feed import RangeEnd, RangeFeed, Sweep
from lrtui.run.spec import RunSpec
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.range_test import RangeTestScreen
from lrtui.tui.view import View

RUNNING = recorded_run(120)


def range_test_screen(app: PlayedApp) -> RangeTestScreen:
    screen = app.screen
    assert isinstance(screen, RangeTestScreen)
    return screen


def shown(app: PlayedApp) -> str:
    screen = range_test_screen(app)
    lines = [str(screen.query_one(f"#{name}").render()) for name in ("rules", "summary", "keys")]  # type: ignore[attr-defined]
    return "\n".join([screen.query_one(Frame).render().plain, screen.query_one(ChartView).text(), *lines])


async def end_test(pilot: Pilot[Any], app: PlayedApp, feed: RangeFeed, end: RangeEnd) -> None:
    feed.close(end)
    await until(pilot, lambda: range_test_screen(app)._has_ended)
    await pilot.pause()


async def open_range_test(pilot: Pilot[Any], app: PlayedApp) -> RangeFeed:
    """Start a range test with its key; return its feed."""
    await press(pilot, "f")
    await until(pilot, lambda: isinstance(app.screen, RangeTestScreen))
    await pilot.pause()
    return range_test_screen(app)._feed


async def scale_to_suggestion(pilot: Pilot[Any], app: PlayedApp, feed: RangeFeed) -> tuple[float, float]:
    """Let a test of the live run find a valley and apply the suggestion; return the factor sent and the lr shown."""
    feed_curve(feed, Sweep(), valley_losses(120))
    await end_test(pilot, app, feed, RangeEnd("diverged"))
    suggested = range_test_screen(app)._suggestions.suggested or 0.0
    await press(pilot, "enter")
    scaled = app.session.last.sent[-1]
    assert isinstance(scaled, ScaleLr)
    return scaled.factor, float(f"{suggested:.2g}")


async def test_the_chosen_lr_is_set_in_the_optimizer() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="StepLR(3)")))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await open_range_test(pilot, app)
        assert app.session.range_tests[-1].feed is feed
        assert "Waiting for its turn" in shown(app)
        feed_curve(feed, Sweep(), valley_losses(60))
        await until(pilot, lambda: len(range_test_screen(app)._curve) == 60)
        assert "60/150" in shown(app)
        assert "esc stop" in shown(app)
        # nothing can be chosen before the end
        await press(pilot, "enter", "right")
        assert isinstance(app.screen, RangeTestScreen)
        feed_curve(feed, Sweep(), valley_losses(120)[60:], first=60)
        await end_test(pilot, app, feed, RangeEnd("diverged"))
        screen = range_test_screen(app)
        assert "✓ done" in shown(app)
        for sign in "SVML":
            assert sign in screen.query_one(ChartView).text()
        found = screen._suggestions.found
        assert len(found) == 4
        assert screen._chosen == screen._suggestions.suggested_by
        await press(pilot, *["left"] * 5)
        lowest = min(found.values())
        assert found[screen._chosen or ""] == lowest
        await press(pilot, *["right"] * 5)
        highest = max(found.values())
        assert found[screen._chosen or ""] == highest
        await press(pilot, "enter")
        assert app.view.spec.optimizer == f"Adam(lr={float(f'{highest:.2g}')})"
        assert app.view.spec.schedule == "StepLR(3)"
        assert "Set the optimizer's lr to" in message(app)


async def test_the_chosen_lr_becomes_the_max_lr_of_one_cycle() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="OneCycleLR(max_lr=0.05)")))
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await end_test(pilot, app, feed, RangeEnd("diverged"))
        screen = range_test_screen(app)
        assert screen._current_lr == 0.05
        assert "enter set OneCycleLR's max_lr to" in shown(app)
        chosen = screen._suggestions.suggested or 0.0
        await press(pilot, "enter")
        assert app.view.spec.schedule == f"OneCycleLR(max_lr={float(f'{chosen:.2g}')})"
        assert app.view.spec.optimizer == RunSpec().optimizer


async def test_the_remaining_lr_of_a_live_run_is_scaled() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await open_range_test(pilot, app)
        (command,) = app.session.last.sent
        assert isinstance(command, RangeTest)
        assert command.feed is feed
        assert "run 1 at step 120" in shown(app)
        factor, chosen = await scale_to_suggestion(pilot, app, feed)
        # the forecast falls from 0.006 to 0 over the run
        future = app.screen.scene.futures[1]  # type: ignore[attr-defined]
        peak = float(future.lrs[120 - future.start_step :, 0].max())
        assert factor * peak == pytest.approx(chosen)
        assert "The highest remaining lr is now" in message(app)


async def test_a_live_run_with_a_frozen_first_group_is_scaled_by_the_lr_of_the_trained_one() -> None:
    def frozen(event: Event) -> Event:
        if isinstance(event, RunStarted):
            return replace(event, spec=replace(event.spec, optimizer='Adam(lr=0, groups={"fc*": {"lr": 0.01}})'))
        return replace(event, lrs=(0.0, 0.01)) if isinstance(event, StepDone) else event

    app = PlayedApp(PlayedSession(list(map(frozen, recorded_run(120, groups=2)))))
    app.curve = lambda request: replace(
        drawn_curve(request), lrs=np.tile([0.0, 0.02], (request.schedule_horizon.steps, 1))
    )
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await open_range_test(pilot, app)
        assert "0.01" in shown(app)
        factor, chosen = await scale_to_suggestion(pilot, app, feed)
        assert factor * 0.02 == pytest.approx(chosen)


async def test_escape_stops_the_test_and_then_closes() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(30))
        await press(pilot, "escape")
        assert feed.is_stopped
        assert isinstance(app.screen, RangeTestScreen)
        await until(pilot, lambda: "stopping" in shown(app))
        await end_test(pilot, app, feed, RangeEnd("stopped"))
        assert "■ stopped" in shown(app)
        assert "30 of 150 steps: stopped at lr" in shown(app)
        assert "enter" not in shown(app)
        before = app.view.spec
        await press(pilot, "escape")
        assert not isinstance(app.screen, RangeTestScreen)
        assert app.view.spec == before


async def test_a_stopped_test_offers_no_lr_from_part_of_the_curve() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await press(pilot, "escape")
        await end_test(pilot, app, feed, RangeEnd("stopped"))
        assert "enter" not in shown(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, RangeTestScreen)


async def test_a_second_escape_closes_at_once() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        await press(pilot, "escape", "escape")
        assert not isinstance(app.screen, RangeTestScreen)
        assert feed.is_stopped


async def test_an_error_is_shown() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        await end_test(pilot, app, feed, RangeEnd("failed", TaskError("the loss [fails] on float32 (64, 10)")))
        assert "✗ failed" in shown(app)
        assert "the loss [fails] on float32 (64, 10)" in shown(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, RangeTestScreen)
        await press(pilot, "escape")
        assert not isinstance(app.screen, RangeTestScreen)


async def test_a_flat_curve_gives_a_warning() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), [2.3 + 0.1 * (step % 3) for step in range(150)])
        await end_test(pilot, app, feed, RangeEnd("done"))
        assert "the loss falls by no more than its noise" in shown(app)
        assert "enter" not in shown(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, RangeTestScreen)


async def test_a_remaining_lr_near_zero_is_not_scaled() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    app.curve = lambda request: replace(drawn_curve(request), lrs=np.full((10_000, 1), 1e-30))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await end_test(pilot, app, feed, RangeEnd("diverged"))
        await press(pilot, "enter")
        assert [type(command) for command in app.session.last.sent] == [RangeTest]
        assert "the remaining lr is too low to scale. Press s to switch the schedule." in message(app)


async def test_on_a_small_screen_the_title_is_cut_and_not_the_progress() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(72, 24)) as pilot:
        feed = await open_range_test(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(60))
        await until(pilot, lambda: "running" in shown(app))
        rule = shown(app).splitlines()[0]
        assert rule.endswith("60/150 ─")
        assert "Range test · run 1" in rule
        assert "…" in rule
