"""Pictures of every screen in every state, from recorded runs; look at them when they change."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.pilot import Pilot

from lrtui.run.spec import RunSpec
from lrtui.tui.view import View

Compare = Callable[..., bool]

SIZES = [(80, 24), (120, 36), (200, 50)]

STATES: dict[str, Callable[[], PlayedSession]] = {
    "empty": PlayedSession,
    "waiting": lambda: PlayedSession(recorded_run(0)[:1]),
    "running": lambda: PlayedSession(recorded_run(330)),
    "switched": lambda: PlayedSession(recorded_run(330, switch_at=140, nudge_at=260)),
    "finished": lambda: PlayedSession(recorded_run(500, outcome="done")),
}


@pytest.fixture(params=SIZES, ids=[f"{width}x{height}" for width, height in SIZES])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


@pytest.mark.parametrize("state", STATES)
def test_cockpit(state: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES[state]()), terminal_size=size)


@pytest.mark.parametrize("pane", ["2", "3", "4", "5"])
def test_each_pane_of_a_small_screen(pane: str, snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["switched"]()), terminal_size=(80, 24), press=[pane])


def test_runs_drawn_over_each_other(size: tuple[int, int], snap_compare: Compare) -> None:
    session = PlayedSession(
        recorded_run(500, outcome="done"),
        recorded_run(500, switch_at=200, outcome="done", schedule="ExponentialLR(gamma=0.1)"),
        recorded_run(120, outcome="failed"),
        recorded_run(260, schedule="OneCycleLR(max_lr=0.003)"),
    )
    view = View(RunSpec(), selected=4, marked=[1, 2])
    assert snap_compare(PlayedApp(session, view), terminal_size=size)


@pytest.mark.parametrize("outcome", ["stopped", "failed", "diverged"])
def test_a_run_that_ended_early(outcome: str, snap_compare: Compare) -> None:
    session = PlayedSession(recorded_run(170, outcome=outcome))  # type: ignore[arg-type]
    assert snap_compare(PlayedApp(session), terminal_size=(120, 36))


def test_parameter_groups(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(recorded_run(330, groups=2))), terminal_size=(120, 36))


def test_a_logarithmic_axis(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=(120, 36), press=["l", "2", "l"])


def test_a_light_theme(size: tuple[int, int], snap_compare: Compare) -> None:
    async def lighten(pilot: Pilot[None]) -> None:
        pilot.app.theme = "textual-light"
        await pilot.pause()

    assert snap_compare(PlayedApp(STATES["switched"]()), terminal_size=size, run_before=lighten)


@pytest.mark.parametrize("state", ["empty", "running", "switched", "finished"])
def test_picker(state: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES[state]()), terminal_size=size, press=["s", *"one"])


def test_picker_with_a_fault(size: tuple[int, int], snap_compare: Compare) -> None:
    app = PlayedApp(STATES["running"]())
    assert snap_compare(app, terminal_size=size, press=["s", *"steplr", "tab", "backspace", *"x"])


@pytest.mark.parametrize("key", ["?", "e", "=", "q", "r"], ids=["help", "settings", "set-lr", "quit", "restart"])
def test_dialogs(key: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=size, press=[key])
