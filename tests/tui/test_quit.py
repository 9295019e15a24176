"""Quitting while a run is in progress: the three choices, and when each is offered."""

from __future__ import annotations

import pytest
from cockpit_pilot import dialog, press
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.engine.run import Run
from lrtui.run.spec import RunSpec
from lrtui.tui.screens.dialogs import ConfirmScreen

RUNNING = recorded_run(120)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))


async def test_without_a_run_it_quits_at_once() -> None:
    for key in ("q", "ctrl+q", "ctrl+c"):
        app = PlayedApp(PlayedSession(recorded_run(500, outcome="done")))
        async with app.run_test(size=(120, 36)) as pilot:
            await press(pilot, key)
        assert not app.is_running
        assert app.return_value is None


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_with_a_run_it_asks(key: str) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, key)
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "escape")
        assert app.is_running
        assert app.session.last.sent == []


async def test_a_stored_run_is_stopped_and_saved(stored: None) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q")
        assert "continue with lrtui resume 1" in dialog(app)
        await press(pilot, "q")
    assert app.return_value is None


async def test_a_stored_run_continues_in_the_background(stored: None) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q", "g")
    assert app.return_value == 1


async def test_a_run_that_is_not_stored_can_not_continue_in_the_background() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q", "g")
        assert "can't continue in the background: it is not stored" in dialog(app)
        assert app.is_running


async def test_a_run_that_has_not_started_can_not_continue_in_the_background(stored: None) -> None:
    app = PlayedApp(PlayedSession(recorded_run(0)[:1]))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q", "g")
        assert "it has not started yet (importing PyTorch)" in dialog(app)
        # it has no checkpoint yet
        assert "lrtui resume" not in dialog(app)


async def test_the_question_mentions_queued_runs() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    app.view.queue.append(RunSpec())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q")
        assert "1 queued run will not be started" in dialog(app)
