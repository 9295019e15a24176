"""The lr chart: its axis, and the schedule that the checks propose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from played_session import PlayedApp, PlayedSession, drawn_curve

from lrtui.analysis.checks import Finding
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.header import figures_line
from lrtui.tui.panes.lr import LrPane

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
