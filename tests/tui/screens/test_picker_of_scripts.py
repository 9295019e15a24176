"""The picker for a live run of a script, whose own schedule and length may be unknown."""

from __future__ import annotations

from typing import Any

from attached_runs import UNKNOWN_LENGTH, attached_run
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from textual.pilot import Pilot
from textual.widgets import Input

from lrtui.run.commands import SwitchSchedule
from lrtui.run.spec import RunSpec
from lrtui.tui.forecast import compute
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.screens.picker.state import PickerState
from lrtui.tui.view import View


def state(app: PlayedApp) -> PickerState:
    assert isinstance(app.screen, PickerScreen)
    return app.screen._state


async def type_notation(app: PlayedApp, pilot: Pilot[Any], notation: str) -> None:
    app.screen.query_one("#notation", Input).value = notation
    await pilot.pause()
    await until(pilot, lambda: state(app).current_answer is not None)


async def test_a_script_of_unknown_length_is_switched_to_a_schedule_that_needs_none() -> None:
    session = PlayedSession(attached_run(120, UNKNOWN_LENGTH, has_length=False))
    app = PlayedApp(session, View(RunSpec(), selected=1))
    app.curve = compute
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: state(app).current_answer is not None)
        assert "LambdaLR that only its script has: its lr is only known where it was" in str(state(app).error)
        await type_notation(app, pilot, "CosineAnnealingLR()")
        assert "the length of the run is unknown: give T_max" in str(state(app).error)
        await type_notation(app, pilot, 'StepLR(step_size=30, gamma=0.5, per="batch")')
        answer = state(app).current_answer
        assert state(app).error is None
        assert answer is not None
        assert answer.lrs is not None
        # as long again
        assert len(answer.lrs) == 120
        assert answer.lrs[[0, 29, 30], 0].tolist() == [0.01, 0.01, 0.005]
        assert "only the script itself can" in state(app).race_refusal
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, PickerScreen))
        assert session.runs[0].sent == [SwitchSchedule('StepLR(step_size=30, gamma=0.5, per="batch")', "base")]  # type: ignore[attr-defined]
