"""Where there is room for a single lr, it is that of the first parameter group that is not frozen at lr 0."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cockpit_pilot import press
from played_session import PlayedApp, PlayedSession, drawn_curve
from recorded_runs import recorded_run
from store_runs import store_events
from textual.widgets import Input, Static

from lrtui.run.events import Event, LrSet, RunStarted, StepDone
from lrtui.run.source import RunSummary
from lrtui.run.spec import RunSpec, trained_group, trained_lr
from lrtui.run.state import RunState
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.store.source import StoreSource
from lrtui.text.format import four_digits
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.panes.header import figures_line
from lrtui.tui.panes.lr import change_name
from lrtui.tui.run_list.lr_lines import LrLines
from lrtui.tui.screens.branch_point import EpochEnd, epoch_lines
from lrtui.tui.screens.dialogs import SetLrScreen
from lrtui.tui.screens.picker.model import PickerModel
from lrtui.tui.screens.picker.preview import Preview
from lrtui.tui.view import View

FROZEN = 'Adam(lr=0, groups={"fc*": {"lr": 0.01}})'


def with_frozen_group(event: Event) -> Event:
    """Return the event of a run of one group as that of a run whose first group of two is frozen."""
    if isinstance(event, RunStarted):
        spec = replace(event.spec, optimizer=FROZEN)
        return replace(event, spec=spec, group_names=("default", "fc*"), group_lrs=(0.0, *event.group_lrs))
    if isinstance(event, StepDone):
        return replace(event, lrs=(0.0, *event.lrs))
    return event


def test_a_group_at_0_is_passed_over() -> None:
    assert (trained_group((0.0, 0.01, 0.1)), trained_lr((0.0, 0.01, 0.1))) == (1, 0.01)
    assert (trained_group((0.0, 0.0)), trained_lr((0.0, 0.0))) == (0, 0.0)
    assert trained_group(()) == 0


async def test_header_and_lr_dialog_show_the_lr_that_trains() -> None:
    app = PlayedApp(PlayedSession([with_frozen_group(event) for event in recorded_run(330)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        lr = app.cockpit.scene.shown[0].state.current_lrs[1]
        assert lr > 0
        assert figures_line(app.cockpit.scene, 120).startswith(f" lr {four_digits(lr)} ")
        await press(pilot, "=")
        assert isinstance(app.screen, SetLrScreen)
        assert app.screen.query_one("#lr", Input).value == f"{lr:.6g}"


@pytest.mark.parametrize(("optimizer", "max_lr"), [(FROZEN, "0.01"), ("Adam(lr=0)", "0.003")])
def test_every_scheduler_is_valid_when_chosen_with_a_frozen_group(optimizer: str, max_lr: str) -> None:
    model = PickerModel("ExponentialLR(gamma=0.1)", optimizer, Horizon(10, 938))
    for name in CATALOGUE:
        model.choose(name)
        assert model.error is None, name
    model.choose("OneCycleLR")
    assert f"max_lr={max_lr}" in model.text


async def test_the_pickers_figures_and_shapes_are_those_of_the_group_that_trains() -> None:
    def curve(request: CurveRequest) -> CurveResult:
        answer = drawn_curve(request)
        assert answer.lrs is not None
        return replace(answer, lrs=np.hstack([np.zeros_like(answer.lrs), answer.lrs]))

    app = PlayedApp(PlayedSession(), View(RunSpec(optimizer=FROZEN)))
    app.curve = curve
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", "ctrl+k")
        await pilot.pause()
        row = str(app.screen.query_one("#table", Static).render()).splitlines()[1]
        assert "0.006" in row
        assert "nan" not in row
        title = app.screen.query_one(Preview).query_one("Frame").render().plain  # type: ignore[attr-defined]
        assert "peak 0.006  end 6.397e-07" in title


def test_a_nudge_is_named_by_the_group_that_it_changes() -> None:
    change = LrSet(
        seq=1,
        step=1,
        seconds=1.0,
        command="lr*0.5",
        scripted=False,
        lrs_before=(0.0, 0.01),
        lrs_after=(0.0, 0.005),
        scale=(1.0, 0.5),
        by="user",
    )
    assert change_name(change) == "x0.5"


def test_the_list_of_branch_points_shows_the_lr_that_trains() -> None:
    assert "lr 0.01" in epoch_lines([EpochEnd(1, 500, 1, (0.0, 0.01), None)])[0]


def test_the_curve_in_the_list_of_runs_is_that_of_the_group_that_trains() -> None:
    plain, frozen = RunState(), RunState()
    plain.fold(recorded_run(330))
    frozen.fold(with_frozen_group(event) for event in recorded_run(330))
    run = RunSummary(id=1)
    curve = LrLines().line(1, run, plain, 10)
    assert curve
    assert LrLines().line(1, run, frozen, 10) == curve


def test_the_stored_curve_in_the_list_of_runs_is_that_of_the_group_that_trains(tmp_path: Path) -> None:
    store_events(tmp_path / "plain", recorded_run(330))
    store_events(tmp_path / "frozen", [with_frozen_group(event) for event in recorded_run(330)])
    (plain,), (frozen,) = (StoreSource(tmp_path / name).runs() for name in ("plain", "frozen"))
    assert list(frozen.lrs) == list(plain.lrs) != []
