"""Runs queued behind the one in progress: added, shown, removed."""

from __future__ import annotations

from dataclasses import replace

from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.run.commands import Stop
from lrtui.run.events import RunFinished

RUNNING = recorded_run(120)
STOPPED = RunFinished(seq=999, step=120, seconds=5.0, outcome="stopped")


async def test_a_queued_run_starts_when_the_other_has_ended() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r", "a")
        assert app.session.last.sent == []
        await until(pilot, lambda: "1 queued" in app.screen.query_one("Footer")._line.plain or "queued" in message(app))
        app.view.spec = replace(app.view.spec, epochs=3)
        await press(pilot, "r", "a")
        app.session.last.say(STOPPED)
        await until(pilot, lambda: len(app.session.runs) == 2)
        assert app.session.last.spec.epochs == 10
        assert [spec.epochs for spec in app.view.queue] == [3]


async def test_the_last_queued_run_can_be_removed() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r", "t")
        assert "remove the last queued run" not in dialog(app)
        await press(pilot, "escape", "r", "a", "r")
        assert "1. ExponentialLR(gamma=0.1)" in dialog(app)
        await press(pilot, "t")
        assert app.view.queue == []
        assert "Removed from the queue" in message(app)


async def test_a_run_started_instead_comes_before_the_queue() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r", "a")
        app.view.spec = replace(app.view.spec, epochs=3)
        await press(pilot, "r", "r")
        assert app.session.last.sent == [Stop()]
        assert [spec.epochs for spec in app.view.queue] == [3, 10]


async def test_stopping_says_that_the_queued_run_starts_next() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r", "a", "x")
        assert "The queued run starts next" in dialog(app)
