"""A ReduceLROnPlateau in the picker, over the tests of the run on screen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asking import until
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
    """Return the run's events with a test loss that falls until epoch 3, and then no more."""
    return [replace(event, loss=1 / min(event.epoch, 3)) if isinstance(event, EvalDone) else event for event in events]


DONE, RUNNING = stalled(recorded_run(500, outcome="done")), stalled(recorded_run(320))


class RealCurves(PlayedApp):
    """Draws with PyTorch's own classes."""

    def __init__(self, *recordings: list[Event], schedule: str = PLATEAU.format(1)) -> None:
        super().__init__(PlayedSession(*recordings), View(RunSpec(schedule=schedule), selected=len(recordings) or None))
        self.curve = compute


def told(app: PlayedApp) -> str:
    line = app.screen.query_one("#what-if", Static)
    return str(line.render()) if line.display else ""


async def type_notation(app: PlayedApp, pilot: Pilot[Any], text: str) -> None:
    app.screen.query_one("#notation", Input).value = text
    await pilot.pause()


async def test_a_plateau_is_drawn_over_the_tests_of_the_run_on_screen_as_its_arguments_change() -> None:
    app = RealCurves(DONE)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: told(app) != "")
        assert told(app) == "over the loss of run #1 (10 epochs): would have cut after epochs 5, 7, 9"
        await type_notation(app, pilot, PLATEAU.format(3))
        await until(pilot, lambda: told(app).endswith("would have cut after epoch 7"))
        await type_notation(app, pilot, "StepLR(step_size=3)")
        await until(pilot, lambda: told(app) == "")
        # only what follows the tests is asked about with them
        assert app.asked[-1].results == ()


async def test_with_no_run_on_screen_it_says_what_it_waits_for() -> None:
    app = RealCurves()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: told(app) == "it follows the tests' loss: flat until they are made")


async def test_a_figure_that_the_run_has_not_measured_is_named() -> None:
    app = RealCurves(DONE, schedule='ReduceLROnPlateau(metric="f1")')
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: told(app) == "it follows the tests' f1, which run #1 has not measured")


@pytest.mark.parametrize(
    ("presses", "words"),
    [
        (0, "it follows the tests' loss: flat until they are made"),
        # as if from the start: cut after epoch 5
        (2, "over the loss of run #1 (6 epochs): would have come to 0.005 by now"),
    ],
)
async def test_a_switch_from_the_start_follows_the_tests_there_were(presses: int, words: str) -> None:
    app = RealCurves(RUNNING, schedule="StepLR(3)")
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await type_notation(app, pilot, PLATEAU.format(1))
        for _ in range(presses):
            await pilot.press("ctrl+o")
        await until(pilot, lambda: told(app) == words)
