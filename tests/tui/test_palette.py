"""The palette offers the available actions."""

from __future__ import annotations

from pathlib import Path

from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from textual.command import CommandPalette

from lrtui.run.commands import Pause
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.tui.palette import action_commands, run_commands, scheduler_commands, theme_commands
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.view import View

RUNNING = recorded_run(120)


async def test_only_available_actions_are_listed() -> None:
    for session, pauses in ((PlayedSession(), False), (PlayedSession(RUNNING), True)):
        app = PlayedApp(session)
        async with app.run_test(size=(120, 36)) as pilot:
            await pilot.pause()
            titles = [command.text for command in action_commands(app.cockpit)]
            assert ("pause (space)" in titles) == pauses
            assert "help (?)" in titles


async def test_every_scheduler_and_every_run_is_listed() -> None:
    app = PlayedApp(PlayedSession(recorded_run(500, outcome="done"), RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert [command.text for command in scheduler_commands(app.cockpit)] == list(CATALOGUE)
        newest, oldest = run_commands(app.cockpit)
        assert newest.text.startswith("run #2")
        oldest.run()
        assert app.view.selected == 1


async def test_stored_runs_that_are_not_drawn_and_every_theme_are_found_by_name(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(60, outcome="done"), RunSpec(name="baseline"))
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: bool(app.cockpit.source_runs.summaries))
        (run,) = run_commands(app.cockpit)
        assert run.text.startswith("run #1 baseline")
        run.run()
        assert app.view.selected == 1
        themes = {command.text: command for command in theme_commands(app.cockpit)}
        assert set(themes) == {f"theme {name}" for name in app.available_themes}
        themes["theme nord"].run()
        assert app.theme == "nord"


async def test_an_action_is_carried_out_by_name() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "ctrl+p")
        assert isinstance(app.screen, CommandPalette)
        await press(pilot, *"pause")
        await until(pilot, lambda: app.screen.query_one("CommandList").option_count > 0)  # type: ignore[attr-defined]
        await pilot.pause(0.3)
        await press(pilot, "enter", "enter")
        await until(pilot, lambda: app.session.last.sent == [Pause()])


async def test_a_scheduler_opens_the_picker_on_it() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        next(command for command in scheduler_commands(app.cockpit) if command.text == "StepLR").run()
        await pilot.pause()
        assert isinstance(app.screen, PickerScreen)
        await press(pilot, "enter")
        assert app.view.spec.schedule.startswith("StepLR(")


async def test_the_palette_does_not_open_over_a_dialog() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "?", "ctrl+p")
        assert not isinstance(app.screen, CommandPalette)
