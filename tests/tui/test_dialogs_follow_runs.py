"""Open dialogs follow what they are about: they close or change when a run ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.pilot import Pilot
from textual.widgets import Static

from lrtui.analysis.checks import Finding
from lrtui.run.events import RunFinished
from lrtui.run.spec import RunSpec
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.screens.settings import SettingsScreen
from lrtui.tui.view import View

RUNNING = recorded_run(120)
END = RunFinished(seq=999, step=120, seconds=5.0, outcome="done")


def end_run(app: PlayedApp) -> None:
    app.session.last.say(END)


async def open_picker(pilot: Pilot[Any], app: PlayedApp) -> PickerScreen:
    """Open the picker with its key."""
    await press(pilot, "s")
    screen = app.screen
    assert isinstance(screen, PickerScreen)
    return screen


@pytest.mark.parametrize("key", ["r", "x", "q", "="])
async def test_a_question_about_a_run_closes_when_the_run_ends(key: str) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, key)
        assert app.screen is not app.cockpit
        end_run(app)
        await until(pilot, lambda: app.screen is app.cockpit)
        await pilot.pause()


async def test_the_settings_follow_the_end_of_the_run() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "e")
        screen = app.screen
        assert isinstance(screen, SettingsScreen)
        about = screen.query_one("#about", Static)
        assert "also switches the current run" in str(about.render())
        end_run(app)
        await until(pilot, lambda: "current run" not in str(about.render()))
        assert screen.query_one("#settings-box").border_subtitle == ""


async def test_the_picker_becomes_that_of_the_next_run_when_the_run_ends() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        screen = await open_picker(pilot, app)
        end_run(app)
        await until(pilot, lambda: screen.query_one("#picker").border_title.startswith("Run 1 has ended"))
        assert "enter apply" in str(screen.query_one("#keys", Static).render())
        await press(pilot, "enter")
        assert "Press r to start a run with" in message(app)


async def test_a_key_that_is_no_answer_is_named() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "x", "k")
        assert isinstance(app.screen, ConfirmScreen)
        assert "Stop it?" in dialog(app)
        assert app.screen.query_one(".dialog").border_subtitle == "k is none of these keys"


async def test_the_picker_starts_with_the_schedule_that_the_finding_proposes() -> None:
    spec = RunSpec()
    app = PlayedApp(PlayedSession(), View(spec))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.cockpit._forecasts.finding = Finding("lr-vanishes", "too low", fix="ExponentialLR(gamma=0.6)")
        screen = await open_picker(pilot, app)
        assert screen._model.text == "ExponentialLR(gamma=0.6)"
        assert str(screen.query_one("#hint", Static).render()) == f"in place of {spec.schedule}: too low"


@pytest.mark.parametrize(("schedule", "first"), [("StepLR(step_size=1, gamma=0.5)", "StepLR(step_size=2)"), ("", "")])
async def test_a_switch_starts_with_the_proposed_schedule_unless_the_finding_is_on_another(
    schedule: str, first: str
) -> None:
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(schedule=schedule or "ConstantLR()"), selected=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        running = app.session.last.state.schedule
        app.cockpit._forecasts.finding = Finding("steps", "too low", fix="StepLR(step_size=2)")
        if schedule:
            app.view.spec = replace(app.view.spec, schedule=running)
            app.cockpit._forecasts.request = lambda *_, **__: None  # type: ignore[method-assign]
        screen = await open_picker(pilot, app)
        assert screen._model.text == (first or running)


async def test_the_picker_shows_the_shape_of_each_schedule() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_picker(pilot, app)
        await pilot.pause()
        strips = screen._compositor.render_strips()
        lines = ["".join(segment.text for segment in strip) for strip in strips]
        step = next(line for line in lines if " StepLR " in line)
        shape = step.split("StepLR")[1].strip().split()[0]
        assert len(shape) == 5
        assert all("\u2800" < each < "\u2900" for each in shape)
