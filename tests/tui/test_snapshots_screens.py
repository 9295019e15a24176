"""Snapshots of the other screens, and of the cockpit after various keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from test_every_action_situations import save_epochs
from test_startup import found, opening, stopped, with_checkpoint
from textual.pilot import Pilot

from lrtui.engine.run import Run
from lrtui.run.events import Event, Paused
from lrtui.run.spec import RunSpec
from lrtui.tui.screens.branch_point import BranchPointScreen
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.view import View

Compare = Callable[..., bool]
Before = Callable[[Pilot[None]], Awaitable[None]]

SMALL, MAIN, TINY = (80, 24), (120, 36), (40, 12)

DONE = recorded_run(500, outcome="done")
RUNNING = recorded_run(330, switch_at=140, nudge_at=260)
SHORT = recorded_run(130, outcome="stopped", schedule="ExponentialLR(gamma=0.1)")
PAUSED: list[Event] = [*recorded_run(330), Paused(seq=9_999, step=330, seconds=13.2)]


@pytest.fixture(params=[SMALL, MAIN], ids=["80x24", "120x36"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


def cockpit(pilot: Pilot[None]) -> CockpitScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, CockpitScreen))


def overlaid() -> PlayedApp:
    live = recorded_run(260, schedule="OneCycleLR(max_lr=0.003)")
    view = View(RunSpec(), selected=3)
    view.toggle_pin(1)
    view.toggle_pin(2)
    return PlayedApp(PlayedSession(DONE, SHORT, live), view)


# -- screens ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_compare(columns: int, snap_compare: Compare) -> None:
    lines = {80: 24, 120: 36, 200: 50}[columns]
    assert snap_compare(overlaid(), terminal_size=(columns, lines), press=["c"])


def test_branch_point(
    size: tuple[int, int], snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_events(tmp_path, DONE)
    save_epochs(tmp_path, DONE)
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
    monkeypatch.setattr(Run, "store_folder", property(lambda _: tmp_path))

    async def branch(pilot: Pilot[None]) -> None:
        await pilot.press("b")
        await until(pilot, lambda: isinstance(pilot.app.screen, BranchPointScreen))

    assert snap_compare(PlayedApp(PlayedSession(DONE)), terminal_size=size, run_before=branch)


def test_welcome(size: tuple[int, int], snap_compare: Compare) -> None:
    async def greet(pilot: Pilot[None]) -> None:
        cockpit(pilot).handle_startup(opening(None, is_first=True))
        await pilot.pause()

    assert snap_compare(PlayedApp(PlayedSession()), terminal_size=size, run_before=greet)


def test_offer_to_resume(size: tuple[int, int], snap_compare: Compare, tmp_path: Path) -> None:
    store_events(tmp_path, stopped(by_a_signal=True))
    with_checkpoint(tmp_path)

    async def offer(pilot: Pilot[None]) -> None:
        cockpit(pilot).handle_startup(opening(found(tmp_path)))
        await pilot.pause()

    assert snap_compare(PlayedApp(PlayedSession()), terminal_size=size, run_before=offer)


@pytest.mark.parametrize("key", ["r", "q"], ids=["restart", "quit"])
def test_dialogs_while_runs_are_queued(key: str, size: tuple[int, int], snap_compare: Compare) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    app.view.queue = [RunSpec(schedule="CosineAnnealingLR()"), RunSpec(schedule="OneCycleLR(max_lr=0.003)")]
    assert snap_compare(app, terminal_size=size, press=[key])


def test_palette(size: tuple[int, int], snap_compare: Compare) -> None:
    async def search(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+p", *"cosine")
        # it searches in the background
        await until(pilot, lambda: "CosineAnnealingLR" in pilot.app.export_screenshot())
        await pilot.pause()

    assert snap_compare(PlayedApp(PlayedSession(RUNNING)), terminal_size=size, run_before=search)


@pytest.mark.parametrize("pane", ["2", "3", "4", "5"], ids=["loss", "accuracy", "log", "runs"])
def test_help_of_a_pane(pane: str, snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(RUNNING)), terminal_size=MAIN, press=[pane, "question_mark"])


def test_settings_before_a_run(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession()), terminal_size=size, press=["e"])


# -- the cockpit ------------------------------------------------------------------------------------------------------


def test_paused_run(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(PAUSED)), terminal_size=MAIN)


@pytest.mark.parametrize("state", ["empty", "running", "finished"])
def test_smallest_terminal(state: str, snap_compare: Compare) -> None:
    session = {"empty": PlayedSession(), "running": PlayedSession(RUNNING), "finished": PlayedSession(DONE)}[state]
    assert snap_compare(PlayedApp(session), terminal_size=TINY)


def test_cursor_shows_every_run(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(overlaid(), terminal_size=size, press=["left"] * 12)


@pytest.mark.parametrize("axis", ["step", "time"])
def test_zoomed_x_axis(axis: str, snap_compare: Compare) -> None:
    presses = ["a"] * (1 if axis == "step" else 2)
    assert snap_compare(
        PlayedApp(PlayedSession(RUNNING)), terminal_size=MAIN, press=[*presses, "right_square_bracket", "1"]
    )


@pytest.mark.parametrize("pane", ["1", "2", "3", "4"], ids=["lr", "loss", "accuracy", "log"])
def test_single_pane(pane: str, snap_compare: Compare) -> None:
    press = [pane, "enter"] if pane != "1" else ["enter"]
    assert snap_compare(PlayedApp(PlayedSession(RUNNING)), terminal_size=MAIN, press=press)


@pytest.mark.parametrize("pane", ["4", "5"], ids=["log", "runs"])
def test_filter(pane: str, size: tuple[int, int], snap_compare: Compare) -> None:
    query = "Test" if pane == "4" else "state=done"
    assert snap_compare(overlaid(), terminal_size=size, press=[pane, "slash", *query])


def test_pending_commands(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(RUNNING)), terminal_size=MAIN, press=["plus", "plus", "space"])


def test_queued_runs(snap_compare: Compare) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    app.view.queue = [RunSpec(schedule="CosineAnnealingLR()")]
    assert snap_compare(app, terminal_size=MAIN)


def test_in_ascii(size: tuple[int, int], snap_compare: Compare) -> None:
    app = overlaid()
    app.view.ascii = True
    app._ascii.enabled = True
    assert snap_compare(app, terminal_size=size)


def test_without_colour(size: tuple[int, int], snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(overlaid(), terminal_size=size)


@pytest.mark.parametrize("keys", [("s",), ("c",), ("e",), ("question_mark",)], ids=["picker", "compare", "e", "help"])
def test_light_theme(keys: tuple[str, ...], snap_compare: Compare) -> None:
    async def lighten(pilot: Pilot[None]) -> None:
        pilot.app.theme = "textual-light"
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(overlaid(), terminal_size=MAIN, run_before=lighten)
