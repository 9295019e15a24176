"""The lr chart: its axis, and the schedule that the checks propose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from recorded_runs import recorded_run

from lrtui.analysis.checks import Finding
from lrtui.plotting.layers import Curve
from lrtui.run.events import LrSet
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.header import figures_line
from lrtui.tui.panes.lr import LrPane, change_name

GAMMA = np.repeat(0.1 ** np.arange(10.0), 100)
COSINE = (1 + np.cos(np.linspace(0, np.pi, 1000))) / 2


@pytest.mark.parametrize(("course", "logarithmic"), [(GAMMA, True), (COSINE, False), (np.ones(1000), False)])
async def test_the_lr_axis_is_logarithmic_if_the_schedule_spans_more_than_a_factor_of_100(
    course: np.ndarray, logarithmic: bool
) -> None:
    def curve(request: CurveRequest) -> CurveResult:
        return replace(drawn_curve(request), lrs=0.01 * course[:, None])

    app = PlayedApp(PlayedSession())
    app.curve = curve
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        chart = app.screen.query_one(LrPane).query_one(ChartView).chart
        assert chart is not None
        assert chart.logarithmic == logarithmic
        await pilot.press("1", "l")
        await pilot.pause()
        chart = app.screen.query_one(LrPane).query_one(ChartView).chart
        assert chart is not None
        assert chart.logarithmic != logarithmic


async def test_before_the_first_run_a_finding_and_the_better_schedule_are_shown() -> None:
    found = (Finding("dead", "the lr is dead after epoch 3", "CosineAnnealingLR()"),)
    app = PlayedApp(PlayedSession())
    app.curve = lambda request: replace(drawn_curve(request), findings=found if request.checked else None)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.pause()
        chart = app.screen.query_one(LrPane).query_one(ChartView).chart
        assert chart is not None
        assert [getattr(layer, "form", "") for layer in chart.layers] == ["dashed", "line"]
        assert figures_line(app.cockpit.scene, 120) == " ! press s for another schedule: the lr is dead after epoch 3"


def lr_chart(app: PlayedApp) -> ChartView:
    return app.screen.query_one(LrPane).query_one(ChartView)


def ghosts(app: PlayedApp) -> list[Curve]:
    chart = lr_chart(app).chart
    assert chart is not None
    return [layer for layer in chart.layers if isinstance(layer, Curve) and layer.form == "ghost"]


@pytest.mark.parametrize("axis_key", ["", "x"])
async def test_the_lr_before_a_nudge_is_a_ghost_beside_the_new_one(axis_key: str) -> None:
    app = PlayedApp(PlayedSession(recorded_run(330, nudge_at=60, outcome="stopped")))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "1", *axis_key)
        (ghost,) = ghosts(app)
        state = app.cockpit.scene.shown[0].state
        assert ghost.first == 60
        nudged = state.changes[-1]
        assert isinstance(nudged, LrSet)
        assert ghost.factor * nudged.lrs_after[0] == pytest.approx(nudged.lrs_before[0])
        assert "▾x" in lr_chart(app).text()
        assert "before x" in app.screen.query_one(LrPane).query_one(Frame).render().plain


@pytest.mark.parametrize(("nudge_at", "is_seen"), [(60, True), (260, False)])
async def test_the_legend_names_the_course_before_a_nudge_only_if_it_can_be_seen(nudge_at: int, is_seen: bool) -> None:
    # at step 260 the lr is so low, in comparison with its peak, that both courses are drawn in the same cells
    app = PlayedApp(PlayedSession(recorded_run(330, nudge_at=nudge_at, outcome="stopped")))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "1")
        assert len(ghosts(app)) > 0
        assert ("before x" in title_line(app)) == is_seen


async def test_no_course_is_computed_for_the_legend_between_two_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    app = PlayedApp(PlayedSession(recorded_run(330, nudge_at=260)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        pane = app.screen.query_one(LrPane)
        with monkeypatch.context() as patched:
            patched.setattr("lrtui.tui.panes.lr._replaced_curves", lambda *_: pytest.fail("a course is computed"))
            pane.show(app.cockpit.scene, charts=False)


def title_line(app: PlayedApp) -> str:
    return app.screen.query_one(LrPane).query_one(Frame).render().plain


async def test_the_schedule_before_a_switch_is_a_ghost_and_the_new_one_is_named() -> None:
    app = PlayedApp(PlayedSession(recorded_run(330, switch_at=140)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.pause()
        (ghost,) = ghosts(app)
        # from the switch on, as a forecast of the schedule that the run began with
        assert ghost.first == 140
        assert app.cockpit.scene.replaced.keys() == {1}
        assert f"▾{change_name(app.cockpit.scene.shown[0].state.changes[-1])}" in lr_chart(app).text()


async def test_the_axis_stays_logarithmic_when_a_run_is_stopped_early() -> None:
    def curve(request: CurveRequest) -> CurveResult:
        return replace(drawn_curve(request), lrs=0.01 * np.repeat(0.1 ** np.arange(10.0), 50)[:, None])

    def logarithmic(app: PlayedApp) -> bool:
        chart = lr_chart(app).chart
        return chart is not None and chart.logarithmic

    session = PlayedSession(recorded_run(80))
    app = PlayedApp(session)
    app.curve = curve
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert logarithmic(app)
        session.last.say(*recorded_run(80, outcome="stopped")[-1:])
        await until(pilot, lambda: not session.last.is_live)
        await press(pilot, "l", "l")
        assert logarithmic(app)
    # and after it is opened again
    app = PlayedApp(PlayedSession(recorded_run(80, outcome="stopped")))
    app.curve = curve
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert logarithmic(app)


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (80, " ! dead after epoch 3: press s for another schedule"),
        (40, " ! dead after epoch 3: press s"),
    ],
)
async def test_a_finding_is_short_on_a_narrow_screen(width: int, line: str) -> None:
    found = (Finding("dead", "the lr is a thousandth of its peak or less " * 2, "StepLR(3)", "dead after epoch 3"),)
    app = PlayedApp(PlayedSession())
    app.curve = lambda request: replace(drawn_curve(request), findings=found if request.checked else None)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert figures_line(app.cockpit.scene, width) == line
