"""The picker's findings, candidates and race, in a cockpit with given curves and findings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from recorded_runs import recorded_run
from textual.pilot import Pilot
from textual.widgets import Input, Static

from lrtui.analysis.checks import Finding
from lrtui.plotting.layers import Curve, Marks
from lrtui.run.commands import SwitchSchedule
from lrtui.run.errors import NotationError
from lrtui.run.events import StepDone
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.screens.picker.findings import PickerHelpScreen, picker_help
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.screens.race import RaceScreen
from lrtui.tui.view import View

DEAD = Finding("dead", "the lr is dead from epoch 4 on", "ExponentialLR(gamma=0.6)")
LATE = Finding("late", "a second thing")


def found(request: CurveRequest) -> CurveResult:
    """Return findings for the case study's schedule, and none for others."""
    answer = drawn_curve(request)
    return replace(answer, findings=(DEAD, LATE)) if request.schedule == "ExponentialLR(gamma=0.1)" else answer


def app_without_run(store: str = "none") -> PlayedApp:
    return PlayedApp(PlayedSession(), View(RunSpec(store=store)))


def text_of(app: PlayedApp, name: str) -> str:
    return str(app.screen.query_one(name, Static).render())


def notation(app: PlayedApp) -> str:
    return app.screen.query_one("#notation", Input).value


async def type_notation(pilot: Pilot[int | None], text: str) -> None:
    pilot.app.screen.query_one("#notation", Input).value = text
    await pilot.pause()
    await pilot.pause()


def letters(app: PlayedApp) -> list[str]:
    chart = app.screen.query_one(ChartView).chart
    assert chart is not None
    return [layer.glyph for layer in chart.layers if isinstance(layer, Marks)]


# -- findings ---------------------------------------------------------------------------------------------------------


async def test_a_finding_is_shown_under_the_notation_and_one_key_applies_its_fix() -> None:
    app = app_without_run()
    app.curve = found
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s")
        await type_notation(pilot, "ExponentialLR(gamma=0.1)")
        assert "! the lr is dead from epoch 4 on" in text_of(app, "#findings")
        assert "f1 explains   1 more" in text_of(app, "#findings")
        assert "ctrl+f applies ExponentialLR(gamma=0.6)" in text_of(app, "#findings")
        await press(pilot, "ctrl+f")
        assert notation(app) == "ExponentialLR(gamma=0.6)"
        assert app.screen.query_one("#field-gamma", Input).value == "0.6"
        assert "no findings" in text_of(app, "#findings")
        assert app.asked[-1].schedule == "ExponentialLR(gamma=0.6)"
        await press(pilot, "ctrl+f")
        assert "There is no fix to apply" in text_of(app, "#hint")
        await press(pilot, "enter")
        assert app.view.spec.schedule == "ExponentialLR(gamma=0.6)"


async def test_a_fix_replaces_the_text_in_the_focused_field() -> None:
    app = app_without_run()
    app.curve = found
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "s")
        await type_notation(pilot, "ExponentialLR(gamma=0.1)")
        await press(pilot, "tab", "ctrl+f")
        assert app.screen.query_one("#field-gamma", Input).value == "0.6"
        assert notation(app) == "ExponentialLR(gamma=0.6)"


async def test_a_schedule_without_a_curve_can_be_fixed() -> None:
    app = app_without_run()
    refused = NotationError("PyTorch divides by zero", "OneCycleLR(max_lr=0.01)")

    def refuse(request: CurveRequest) -> CurveResult:
        if request.schedule != "OneCycleLR(max_lr=0.01)":
            return drawn_curve(request)
        return CurveResult(request, error=refused, findings=(Finding("pct", "divides", "OneCycleLR(max_lr=0.02)"),))

    app.curve = refuse
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", *"onecy")
        assert "✗ PyTorch divides by zero" in text_of(app, "#findings")
        await press(pilot, "enter")
        assert isinstance(app.screen, PickerScreen)
        await press(pilot, "ctrl+f", "enter")
        assert app.view.spec.schedule == "OneCycleLR(max_lr=0.02)"


async def test_an_answer_for_another_schedule_is_ignored() -> None:
    app = app_without_run()
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s")
        picker = app.screen
        assert isinstance(picker, PickerScreen)
        stale = found(app.asked[-1])
        await press(pilot, *"cosine")
        picker.take_forecast("picker", stale)
        assert "no findings" in text_of(app, "#findings")


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_help_page_lists_the_findings_and_the_keys(size: tuple[int, int]) -> None:
    app = app_without_run()
    async with app.run_test(size=size) as pilot:
        await press(pilot, "s")
        page = str(picker_help("StepLR(3)", ()))
        assert all(key in page for key in ("ctrl+f", "ctrl+k", "ctrl+n", "ctrl+t", "ctrl+o", "area"))
        await press(pilot, *"cosine", "f1")
        assert isinstance(app.screen, PickerHelpScreen)
        await press(pilot, "escape")
        assert isinstance(app.screen, PickerScreen)


# -- candidates -------------------------------------------------------------------------------------------------------


async def keep_three(pilot: Pilot[int | None]) -> None:
    await press(pilot, "s", "ctrl+k", *"cosinea", "ctrl+k", "ctrl+u", *"linear", "ctrl+k")


async def test_candidates_are_drawn_in_one_chart_and_listed_in_a_table() -> None:
    app = app_without_run()
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s")
        assert not app.screen.query_one("#table").display
        await press(pilot, "escape")
        await keep_three(pilot)
        assert letters(app) == ["A", "B", "C"]
        chart = app.screen.query_one(ChartView).chart
        assert chart is not None
        curves = [layer for layer in chart.layers if isinstance(layer, Curve)]
        # a candidate that is also the current schedule is drawn once, as the current schedule
        assert [curve.form for curve in curves] == ["dashed", "dashed", "line"]
        assert len({curve.style for curve in curves}) == 3
        lines = text_of(app, "#table").splitlines()
        assert lines[0].split()[:2] == ["schedule", "peak"]
        assert lines[1].startswith(" A ExponentialLR(gamma=0.1)")
        # a straight line from 0.006 to 0 is 30 % of a constant 0.01
        assert lines[1].split()[2:6] == ["0.006", "6.397e-07", "30.0", "%"]
        assert lines[3].startswith("▸C LinearLR(")
        await type_notation(pilot, "StepLR(4)")
        assert text_of(app, "#table").splitlines()[4].startswith("▸  ")


async def test_the_same_key_removes_a_candidate_and_its_letter_is_free_again() -> None:
    app = app_without_run()
    async with app.run_test(size=(120, 36)) as pilot:
        await keep_three(pilot)
        await press(pilot, "ctrl+n")
        assert notation(app) == "ExponentialLR(gamma=0.1)"
        await press(pilot, "ctrl+k")
        assert letters(app) == ["B", "C"]
        await press(pilot, "ctrl+n")
        assert notation(app).startswith("CosineAnnealingLR(")
        for step_size in (2, 3):
            await type_notation(pilot, f"StepLR({step_size})")
            await press(pilot, "ctrl+k")
        assert letters(app) == ["A", "B", "C", "D"]
        await type_notation(pilot, "StepLR(4)")
        await press(pilot, "ctrl+k")
        assert letters(app) == ["A", "B", "C", "D"]
        assert "At most 4 candidates" in text_of(app, "#hint")


async def test_a_candidate_for_a_live_run_keeps_its_anchor() -> None:
    app = PlayedApp(PlayedSession(recorded_run(330)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", *"cosineannealinglr", "ctrl+o", "ctrl+k", "ctrl+o", "ctrl+k")
        assert letters(app) == ["A", "B"]
        assert "CosineAnnealingLR() from current" in text_of(app, "#table")
        await press(pilot, "ctrl+n", "enter")
        assert app.session.last.sent == [SwitchSchedule("CosineAnnealingLR()", "current")]


def at_base_lr(request: CurveRequest) -> CurveResult:
    """Return a constant curve at the optimizer's lr."""
    answer = drawn_curve(request)
    assert answer.lrs is not None
    return replace(answer, lrs=np.full_like(answer.lrs, parse_optimizer(request.optimizer).lr))


def figures(app: PlayedApp) -> list[list[str]]:
    """Return for each candidate its letter, its scheduler and its peak."""
    lines = text_of(app, "#table").splitlines()[1:]
    return [[line.lstrip("▸ ")[0], line[3:].partition("(")[0], line.split()[-6]] for line in lines]


async def test_findings_and_candidates_stay_while_the_run_continues() -> None:
    app = PlayedApp(PlayedSession(recorded_run(330)))
    app.curve = lambda request: replace(drawn_curve(request), findings=(DEAD,))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s")
        assert "the lr is dead" in text_of(app, "#findings")
        run = app.session.last
        for step in range(run.state.step, run.state.step + 3):
            run.say(StepDone(seq=9_000 + step, step=step, seconds=step / 10, epoch=9, batch=0, loss=0.1, lrs=(1e-4,)))
        before = run.state.step
        await until(pilot, lambda: run.state.step > before)
        await press(pilot, "ctrl+k")
        assert letters(app) == ["A"]
        assert text_of(app, "#hint") == "Kept as candidate A. Press ctrl+k again to remove it."
        assert "the lr is dead" in text_of(app, "#findings")


async def test_candidates_stay_when_the_picker_closes_and_get_new_curves_when_it_opens() -> None:
    app = app_without_run()
    app.curve = at_base_lr
    async with app.run_test(size=(120, 36)) as pilot:
        await keep_three(pilot)
        names = ["ExponentialLR", "CosineAnnealingLR", "LinearLR"]
        assert figures(app) == [[letter, name, "0.01"] for letter, name in zip("ABC", names, strict=True)]
        await press(pilot, "escape")
        app.view.spec = replace(app.view.spec, optimizer="Adam(lr=0.02)")
        await press(pilot, "s")
        assert letters(app) == ["A", "B", "C"]
        assert figures(app) == [[letter, name, "0.02"] for letter, name in zip("ABC", names, strict=True)]
        await press(pilot, "ctrl+n", "ctrl+k", "escape", "s")
        assert letters(app) == ["A", "C"]


async def test_a_candidate_without_a_curve_yet_shows_ellipses() -> None:
    app = app_without_run()
    async with app.run_test(size=(120, 36)) as pilot:
        await keep_three(pilot)
        await press(pilot, "escape")
        app.view.spec = replace(app.view.spec, epochs=20)
        # a late answer: the curve for another number of epochs
        app.curve = lambda request: drawn_curve(replace(request, epochs=10))
        await press(pilot, "s")
        assert text_of(app, "#table").splitlines()[2].split()[-4:] == ["…"] * 4


# -- a race -----------------------------------------------------------------------------------------------------------


async def test_a_race_needs_a_store() -> None:
    app = app_without_run(store="none")
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", "ctrl+t")
        assert "--store none" in text_of(app, "#hint")


async def test_a_race_is_refused_while_a_run_is_training(tmp_path: object) -> None:
    app = PlayedApp(PlayedSession(recorded_run(330)), View(RunSpec(store=str(tmp_path)), selected=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", "ctrl+k", *"cosine", "ctrl+t")
        assert "Run 1 is still training" in text_of(app, "#hint")
        assert isinstance(app.screen, PickerScreen)


async def test_a_race_needs_two_schedules_and_starts_with_the_chosen_seeds(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "lrtui.tui.controllers.race.RaceController.start",
        lambda _, choice: started.append((choice.schedules, choice.seeds)),
    )
    app = app_without_run(store=str(tmp_path))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", "ctrl+k", "ctrl+t")
        assert "A race needs two schedules" in text_of(app, "#hint")
        await press(pilot, *"onecy", "ctrl+t")
        assert isinstance(app.screen, RaceScreen)
        question = str(app.screen.query_one(Static).render())
        assert "6 runs of 10 epochs" in question
        assert "time unknown before the first run" in question
        await press(pilot, "2")
        assert "4 runs of 10 epochs" in str(app.screen.query_one(Static).render())
        await press(pilot, "left", "left")
        assert "2 runs of 10 epochs" in str(app.screen.query_one(Static).render())
        await press(pilot, "escape")
        assert isinstance(app.screen, PickerScreen)
        await press(pilot, "ctrl+t", "5", "right", "enter")
        assert started == [(("ExponentialLR(gamma=0.1)", "OneCycleLR(max_lr=0.01)"), 5)]
        assert app.screen is app.cockpit
