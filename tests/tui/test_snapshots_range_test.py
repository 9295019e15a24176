"""Snapshots of the range test screen in all its states."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from range_curves import feed_curve, valley_losses
from recorded_runs import recorded_run
from test_range_test_screen import end_test, open_range_test, range_test_screen
from textual.pilot import Pilot

from lrtui.run.errors import TaskError
from lrtui.run.range_feed import RangeEnd, RangeFeed, Sweep
from lrtui.run.spec import RunSpec
from lrtui.tui.view import View

Compare = Callable[..., bool]

SIZES = [(80, 24), (120, 36)]

STATES: dict[str, tuple[int, RangeEnd | None]] = {
    "waiting": (0, None),
    "running": (70, None),
    "done": (150, RangeEnd("diverged")),
    "stopped": (110, RangeEnd("stopped")),
    "failed": (0, RangeEnd("failed", TaskError("the model fails on inputs float32 (64, 1, 28, 28): RuntimeError: no"))),
}


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x36"])
@pytest.mark.parametrize("state", STATES)
def test_new_model(state: str, size: tuple[int, int], snap_compare: Compare) -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec()))
    steps, end = STATES[state]

    async def play(pilot: Pilot[None]) -> None:
        feed = await open_range_test(pilot, app)
        await show(pilot, app, feed, steps, end)

    assert snap_compare(app, terminal_size=size, run_before=play)


@pytest.mark.parametrize("size", SIZES, ids=["80x24", "120x36"])
def test_live_run_with_another_choice(size: tuple[int, int], snap_compare: Compare) -> None:
    app = PlayedApp(PlayedSession(recorded_run(330)))

    async def play(pilot: Pilot[None]) -> None:
        feed = await open_range_test(pilot, app)
        await show(pilot, app, feed, 150, RangeEnd("diverged"))
        await pilot.press("left")
        await pilot.pause()

    assert snap_compare(app, terminal_size=size, run_before=play)


def test_in_ascii(snap_compare: Compare) -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(), ascii=True))
    app._ascii.enabled = True

    async def play(pilot: Pilot[None]) -> None:
        feed = await open_range_test(pilot, app)
        await show(pilot, app, feed, 150, RangeEnd("diverged"))

    assert snap_compare(app, terminal_size=(80, 24), run_before=play)


async def show(pilot: Pilot[None], app: PlayedApp, feed: RangeFeed, steps: int, end: RangeEnd | None) -> None:
    losses = valley_losses(steps)
    # with as many steps as a real one
    sane = next((step for step, loss in enumerate(losses) if loss > 6), len(losses))
    feed_curve(feed, Sweep(), losses[:sane])
    await until(pilot, lambda: len(range_test_screen(app)._curve) == sane)
    if end is not None:
        await end_test(pilot, app, feed, end)
    await pilot.pause()
