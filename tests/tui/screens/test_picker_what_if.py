"""ReduceLROnPlateau in the picker, previewed with the test results of the run on screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.pilot import Pilot
from textual.widgets import Input, Static

from lrtui.run.events import EvalDone, Event
from lrtui.run.spec import RunSpec
from lrtui.tui.forecast import compute
from lrtui.tui.view import View

PLATEAU = "ReduceLROnPlateau(factor=0.5, patience={})"


def stalled(events: list[Event]) -> list[Event]:
    """Return the events with a test loss that falls until epoch 3 only."""
    return [replace(event, loss=1 / min(event.epoch, 3)) if isinstance(event, EvalDone) else event for event in events]


DONE, RUNNING = stalled(recorded_run(500, outcome="done")), stalled(recorded_run(320))


class RealCurves(PlayedApp):
    """Computes curves with PyTorch's schedulers."""

    def __init__(self, *recordings: list[Event], schedule: str = PLATEAU.format(1)) -> None:
        super().__init__(PlayedSession(*recordings), View(RunSpec(schedule=schedule), selected=len(recordings) or None))
        self.curve = compute


def what_if(app: PlayedApp) -> str:
    line = app.screen.query_one("#what-if", Static)
    return str(line.render()) if line.display else ""


async def type_notation(app: PlayedApp, pilot: Pilot[Any], notation: str) -> None:
    app.screen.query_one("#notation", Input).value = notation
    await pilot.pause()


async def test_the_preview_follows_the_test_results_of_the_run_on_screen() -> None:
    app = RealCurves(DONE)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: what_if(app) != "")
        assert what_if(app) == "Test loss of run 1 (10 epochs): would have cut after epochs 5, 7, 9"
        await type_notation(app, pilot, PLATEAU.format(3))
        await until(pilot, lambda: what_if(app).endswith("would have cut after epoch 7"))
        await type_notation(app, pilot, "StepLR(step_size=3)")
        await until(pilot, lambda: what_if(app) == "")
        # other schedules are computed without the results
        assert app.asked[-1].results == ()


async def test_without_a_run_the_preview_is_constant() -> None:
    app = RealCurves()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: what_if(app) == "Follows the test loss: constant until there are results")


async def test_a_metric_that_the_run_does_not_report_is_named() -> None:
    app = RealCurves(DONE, schedule='ReduceLROnPlateau(metric="f1")')
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: what_if(app) == "Follows the test f1, which run 1 doesn't report")


@pytest.mark.parametrize(
    ("presses", "text"),
    [
        (0, "Follows the test loss: constant until there are results"),
        # anchor `start`: cut after epoch 5
        (2, "Test loss of run 1 (6 epochs): the lr would be 0.005 now"),
    ],
)
async def test_only_a_switch_from_the_start_follows_past_results(presses: int, text: str) -> None:
    app = RealCurves(RUNNING, schedule="StepLR(3)")
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await type_notation(app, pilot, PLATEAU.format(1))
        for _ in range(presses):
            await pilot.press("ctrl+o")
        await until(pilot, lambda: what_if(app) == text)
