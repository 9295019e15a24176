"""The keys for runs: stop and resume, with the questions they ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from test_startup import stopped, with_checkpoint
from test_stored_runs import cockpit
from textual.widgets import Static

from lrtui.run.commands import Stop
from lrtui.run.events import RunFinished
from lrtui.run.spec import RunSpec
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.view import View
from lrtui.tui.x_axis import preview_rate, whole_range


async def test_x_asks_and_a_second_x_stops_the_run() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "x")
        assert "Run 1 is in progress. Stop it?" in dialog(app)
        assert not app.session.last.sent
        await press(pilot, "escape", "x", "x")
        assert app.session.last.sent == [Stop()]
        assert "Stopping after this batch." in message(app)


@pytest.mark.parametrize("key", ["x", "r", "q"])
async def test_a_question_about_a_run_closes_when_that_run_ends(key: str) -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, key)
        assert isinstance(app.screen, ConfirmScreen)
        app.session.last.say(RunFinished(seq=999, step=120, seconds=9.0, outcome="done"))
        await until(pilot, lambda: app.screen is cockpit(app))
        assert not app.session.last.sent
        assert len(app.session.runs) == 1


async def test_the_lr_dialog_follows_the_run_and_closes_with_it() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "=")
        assert "The lr is 0.0025 now" in dialog(app)
        app.session.last.say(*recorded_run(180)[len(recorded_run(120)) :])
        await until(pilot, lambda: "The lr is 0.00125 now" in dialog(app))
        app.session.last.say(RunFinished(seq=999, step=180, seconds=9.0, outcome="stopped"))
        await until(pilot, lambda: app.screen is cockpit(app))


async def test_a_command_for_a_run_that_has_ended_meanwhile_is_reported() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        run = app.session.last
        run.say(RunFinished(seq=999, step=120, seconds=9.0, outcome="stopped"))
        await until(pilot, lambda: not run.is_live)
        app.cockpit.controllers.runs.send(Stop(), run)
        assert "The run has ended." in message(app)
        assert not run.sent


async def test_space_resumes_a_stopped_run_after_a_question(tmp_path: Path) -> None:
    store_events(tmp_path, stopped(by_a_signal=False))
    with_checkpoint(tmp_path)
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: bool(app.cockpit.source_runs.summaries))
        app.cockpit.show_run(1)
        await until(pilot, lambda: "space resume" in message(app))
        await press(pilot, "space")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Run #1 was stopped." in dialog(app)
        assert "saved at step 50" in dialog(app)
        await press(pilot, "enter")
        assert [plan.file.step for plan in app.session.resume_plans if plan] == [50]


async def test_space_says_why_a_stopped_run_cannot_be_resumed(tmp_path: Path) -> None:
    store_events(tmp_path, stopped(by_a_signal=False))
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: bool(app.cockpit.source_runs.summaries))
        app.cockpit.show_run(1)
        await until(pilot, lambda: (run := app.cockpit.scene.run) is not None and run.state.status == "stopped")
        await until(pilot, lambda: "start" in message(app))
        assert "space resume" not in message(app)
        await press(pilot, "space")
        await until(pilot, lambda: "run 1 has no checkpoint to be resumed from" in message(app))


async def test_a_failed_run_shows_its_error_and_not_the_next_runs_lr() -> None:
    started, *_ = recorded_run(0)
    failed = RunFinished(seq=2, step=0, seconds=1.0, outcome="failed", error="no such task: nowhere")
    view = View(RunSpec(schedule="StepLR(step_size=3)", epochs=10), selected=1)
    app = PlayedApp(PlayedSession([started, failed]), view)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.cockpit.scene.preview is not None)
        await pilot.pause()
        assert app.cockpit.query_one("#lr").has_class("-empty")
        assert "✗ no such task: nowhere" in str(app.cockpit.query_one("#lr .empty", Static).render())


async def test_the_next_run_is_drawn_beside_an_ended_one_only_when_chosen_and_does_not_widen_its_axis() -> None:
    ended = recorded_run(300, outcome="done", epochs=6)
    app = PlayedApp(PlayedSession(ended), View(RunSpec(schedule="StepLR(step_size=3)", epochs=10), selected=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.cockpit.scene.preview is not None)
        assert preview_rate(app.cockpit.scene) is None
        assert whole_range(app.cockpit.scene) == (0.0, 6.0)
        app.view.spec = replace(app.view.spec, schedule="CosineAnnealingLR()")
        app.view.changed()
        await until(pilot, lambda: preview_rate(app.cockpit.scene) is not None)
        assert whole_range(app.cockpit.scene) == (0.0, 6.0)
        frame = app.cockpit.query_one("#lr Frame", Frame)
        await until(pilot, lambda: "next run: CosineAnnealingLR()" in frame.render().plain)
