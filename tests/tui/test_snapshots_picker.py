"""Snapshots of the picker's findings, candidates and race."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from recorded_runs import recorded_run
from textual.pilot import Pilot

from lrtui.analysis.checks import Finding
from lrtui.run.spec import RunSpec
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.screens.picker.state import RaceEstimate
from lrtui.tui.screens.race import RaceScreen
from lrtui.tui.view import View

Compare = Callable[..., bool]

DEAD = Finding(
    "dead-tail",
    "from epoch 4 on the lr is 1e-05 or below, a thousandth of its peak or less: the last 70 % of the run learns "
    "nothing",
    "ExponentialLR(gamma=0.6)",
)
MORE = Finding("milestone-zero", "milestone 0 changes the lr before the first step", None)


@pytest.fixture(params=[(80, 24), (120, 36), (200, 50)], ids=["80x24", "120x36", "200x50"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


def curve(request: CurveRequest) -> CurveResult:
    """Return a different curve for each scheduler, and findings for the case study's schedule."""
    answer = drawn_curve(request)
    assert answer.lrs is not None
    shares = np.linspace(0.0, 1.0, len(answer.lrs))
    shapes = {
        "ExponentialLR": 0.01 * 0.1 ** np.floor(10 * shares),
        "CosineAnnealingLR": 0.005 * (1 + np.cos(np.pi * shares)),
        "OneCycleLR": 0.008 * np.sin(np.pi * shares) ** 2,
    }
    lrs = shapes.get(request.schedule.partition("(")[0], 0.006 * (1 - shares))
    findings = (DEAD, MORE) if request.schedule == "ExponentialLR(gamma=0.1)" else ()
    return replace(answer, lrs=lrs[:, None], findings=findings)


def app(*recordings: Any, theme: str = "textual-dark", ascii_alone: bool = False) -> PlayedApp:
    view = View(RunSpec(store="none"), selected=len(recordings) or None, ascii=ascii_alone)
    made = PlayedApp(PlayedSession(*recordings), view)
    made.curve, made.theme = curve, theme
    return made


async def keep_three(pilot: Pilot[Any]) -> None:
    await press(pilot, "s", "ctrl+k", *"cosinea", "ctrl+k", "ctrl+u", *"onec", "ctrl+k")
    await press(pilot, "ctrl+u", *"linear")
    await pilot.pause()


def test_finding(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=size, press=["s"])


def test_finding_in_a_light_theme(snap_compare: Compare) -> None:
    assert snap_compare(app(theme="textual-light"), terminal_size=(120, 36), press=["s"])


def test_help_page(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=size, press=["s", "f1"])


def test_candidates(size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=size, run_before=keep_three)


@pytest.mark.parametrize("kind", ["light", "ascii", "no-colour", "running"])
def test_candidates_in_other_terminals(kind: str, snap_compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    recordings = [recorded_run(330)] if kind == "running" else []
    made = app(*recordings, theme="textual-light" if kind == "light" else "textual-dark", ascii_alone=kind == "ascii")
    assert snap_compare(made, terminal_size=(120, 36), run_before=keep_three)


@pytest.mark.parametrize(
    ("size", "timed"),
    [((80, 24), True), ((120, 36), True), ((200, 50), True), ((120, 36), False)],
    ids=["80x24-timed", "120x36-timed", "200x50-timed", "120x36-untimed"],
)
def test_race(timed: bool, size: tuple[int, int], snap_compare: Compare) -> None:
    made = app()

    async def ask(pilot: Pilot[Any]) -> None:
        await keep_three(pilot)
        picker = pilot.app.screen
        assert isinstance(picker, PickerScreen)
        estimate = RaceEstimate("", Path("/somewhere/.lrtui"), 31.4 if timed else None, 12)
        picker._state.context = replace(picker._state.context, race=estimate)
        await press(pilot, "ctrl+t", "5" if timed else "1")
        await until(pilot, lambda: isinstance(pilot.app.screen, RaceScreen))

    assert snap_compare(made, terminal_size=size, run_before=ask)


def test_refused_race(snap_compare: Compare) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await keep_three(pilot)
        await press(pilot, "ctrl+t")

    assert snap_compare(app(recorded_run(330)), terminal_size=(80, 24), run_before=ask)
