"""Snapshots of the code screen, and of the picker with the results of a recorded run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from test_code_screen import SWITCHED, open_code
from textual.pilot import Pilot

from lrtui.run.spec import RunSpec
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.view import View

Compare = Callable[..., bool]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is saved there."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
@pytest.mark.parametrize("runs", [0, 1], ids=["next", "switched"])
def test_code(runs: int, size: tuple[int, int], snap_compare: Compare) -> None:
    async def show(pilot: Pilot[None]) -> None:
        await open_code(pilot)
        await pilot.pause()

    session = PlayedSession(*[SWITCHED] * runs)
    assert snap_compare(PlayedApp(session), terminal_size=size, run_before=show)


def with_two_cuts(request: CurveRequest) -> CurveResult:
    """Return a curve that needs no torch."""
    lrs = np.repeat([0.01, 0.005, 0.0025], np.array([5, 2, 3]) * request.batches_per_epoch)
    return CurveResult(request, lrs[:, None], request.schedule)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=["80x24", "120x36"])
def test_what_if(size: tuple[int, int], snap_compare: Compare) -> None:
    view = View(RunSpec(schedule="ReduceLROnPlateau(factor=0.5, patience=1)"), selected=1)
    app = PlayedApp(PlayedSession(recorded_run(500, outcome="done")), view)
    app.curve = with_two_cuts
    assert snap_compare(app, terminal_size=size, press=["s"])
