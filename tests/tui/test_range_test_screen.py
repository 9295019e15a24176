"""The key that finds an lr: what is shown while a range test is made, and what becomes of the choice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from asking import message, press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from range_curves import feed_curve, valley_losses
from recorded_runs import recorded_run
from textual.pilot import Pilot

from lrtui.run.commands import RangeTest, ScaleLr
from lrtui.run.errors import TaskError
from lrtui.run.range_feed import RangeEnd, RangeFeed
from lrtui.run.spec import RunSpec
from lrtui.run.sweep import Sweep
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
    lines = [str(screen.query_one(f"#{name}").render()) for name in ("rules", "words", "keys")]  # type: ignore[attr-defined]
    return "\n".join([screen.query_one(Frame).render().plain, screen.query_one(ChartView).text(), *lines])


async def ended(pilot: Pilot[Any], app: PlayedApp, feed: RangeFeed, end: RangeEnd) -> None:
    feed.close(end)
    await until(pilot, lambda: range_test_screen(app)._has_ended)
    await pilot.pause()


async def opened(pilot: Pilot[Any], app: PlayedApp) -> RangeFeed:
    """Press the key, and return the feed of the test that it starts."""
    await press(pilot, "f")
    await until(pilot, lambda: isinstance(app.screen, RangeTestScreen))
    await pilot.pause()
    return range_test_screen(app)._quest.feed


async def test_the_curve_grows_and_the_choice_goes_into_the_optimizer() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="StepLR(3)")))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await opened(pilot, app)
        assert app.session.range_tests[-1].feed is feed
        assert "waits for its turn" in shown(app)
        feed_curve(feed, Sweep(), valley_losses(60))
        await until(pilot, lambda: len(range_test_screen(app)._curve) == 60)
        assert "60/150" in shown(app)
        assert "esc stops it" in shown(app)
        # nothing can be chosen before it is over
        await press(pilot, "enter", "right")
        assert isinstance(app.screen, RangeTestScreen)
        feed_curve(feed, Sweep(), valley_losses(120)[60:], first=60)
        await ended(pilot, app, feed, RangeEnd("diverged"))
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
        assert "the optimizer's lr is" in message(app)


async def test_of_a_one_cycle_the_choice_becomes_max_lr() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="OneCycleLR(max_lr=0.05)")))
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await opened(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await ended(pilot, app, feed, RangeEnd("diverged"))
        screen = range_test_screen(app)
        assert screen._own_lr == 0.05
        assert "enter makes OneCycleLR's max_lr" in shown(app)
        chosen = screen._suggestions.suggested or 0.0
        await press(pilot, "enter")
        assert app.view.spec.schedule == f"OneCycleLR(max_lr={float(f'{chosen:.2g}')})"
        assert app.view.spec.optimizer == RunSpec().optimizer


async def test_of_a_run_that_goes_on_the_highest_lr_to_come_is_scaled() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await opened(pilot, app)
        (command,) = app.session.last.sent
        assert isinstance(command, RangeTest)
        assert command.feed is feed
        assert "run #1, as it is at step 120" in shown(app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await ended(pilot, app, feed, RangeEnd("diverged"))
        chosen = range_test_screen(app)._suggestions.suggested or 0.0
        await press(pilot, "enter")
        scaled = app.session.last.sent[-1]
        assert isinstance(scaled, ScaleLr)
        # the played forecast falls from 0.006 to 0 over the run
        future = app.screen.scene.futures[1]  # type: ignore[attr-defined]
        peak = float(future.lrs[120 - future.start_step :, 0].max())
        assert scaled.factor * peak == pytest.approx(float(f"{chosen:.2g}"))
        assert "the highest lr to come is" in message(app)


async def test_esc_stops_it_and_then_leaves() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await opened(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(30))
        await press(pilot, "escape")
        assert feed.is_stopped
        assert isinstance(app.screen, RangeTestScreen)
        await until(pilot, lambda: "stopping" in shown(app))
        await ended(pilot, app, feed, RangeEnd("stopped"))
        assert "■ stopped" in shown(app)
        assert "30 of 150 steps: stopped at lr" in shown(app)
        before = app.view.spec
        await press(pilot, "escape")
        assert not isinstance(app.screen, RangeTestScreen)
        assert app.view.spec == before


async def test_a_second_esc_waits_for_no_batch() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await opened(pilot, app)
        await press(pilot, "escape", "escape")
        assert not isinstance(app.screen, RangeTestScreen)
        assert feed.is_stopped


async def test_what_went_wrong_is_told_in_its_place() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        feed = await opened(pilot, app)
        await ended(pilot, app, feed, RangeEnd("failed", TaskError("the loss [fails] on float32 (64, 10)")))
        assert "✗ failed" in shown(app)
        assert "the loss [fails] on float32 (64, 10)" in shown(app)
        await press(pilot, "enter")
        assert isinstance(app.screen, RangeTestScreen)
        await press(pilot, "escape")
        assert not isinstance(app.screen, RangeTestScreen)


async def test_a_flat_curve_is_doubted() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await opened(pilot, app)
        feed_curve(feed, Sweep(), [2.3 + 0.1 * (step % 3) for step in range(150)])
        await ended(pilot, app, feed, RangeEnd("done"))
        assert "the loss falls by no more than its noise" in shown(app)


async def test_a_schedule_that_is_spent_is_not_blown_up() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    app.curve = lambda question: replace(drawn_curve(question), lrs=np.full((10_000, 1), 1e-30))
    async with app.run_test(size=(120, 36)) as pilot:
        feed = await opened(pilot, app)
        feed_curve(feed, Sweep(), valley_losses(120))
        await ended(pilot, app, feed, RangeEnd("diverged"))
        await press(pilot, "enter")
        assert [type(command) for command in app.session.last.sent] == [RangeTest]
        assert "no lr worth scaling is to come; s puts another schedule in place" in message(app)
