"""Snapshots of the advice line and of the dialogs that its keys open."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from recordings import ending
from test_advice_line import DEAD, advice_shown, cockpit, ended, exhausted
from textual.pilot import Pilot

from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.screens.picker.screen import PickerScreen

Compare = Callable[..., bool]


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36), (200, 50)], ids=["40x12", "80x24", "120x36", "200x50"])
def test_exhausted_schedule(size: tuple[int, int], snap_compare: Compare) -> None:
    app = exhausted()
    assert snap_compare(app, terminal_size=size, run_before=lambda pilot: advice_shown(pilot, app))


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
def test_dead_layer(size: tuple[int, int], snap_compare: Compare) -> None:
    app = exhausted(events=DEAD)
    assert snap_compare(app, terminal_size=size, run_before=lambda pilot: advice_shown(pilot, app))


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_picker_for_a_replacement_run(size: tuple[int, int], snap_compare: Compare) -> None:
    app = exhausted(events=DEAD)

    async def ask(pilot: Pilot[int]) -> None:
        await advice_shown(pilot, app)
        app.curve = drawn_curve
        await press(pilot, "s")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))

    assert snap_compare(app, terminal_size=size, run_before=ask)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_restart_of_a_run_that_was_too_short(size: tuple[int, int], snap_compare: Compare) -> None:
    events, last = ending("slow-sgd")
    app = PlayedApp(PlayedSession(events))

    async def ask(pilot: Pilot[int]) -> None:
        await ended(pilot, app, last)
        cockpit(app).action_do("restart")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))

    assert snap_compare(app, terminal_size=size, run_before=ask)
