"""A range test's chart: loss over lr, every batch behind the smoothed one, the rules' letters on it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve, Flag, Layer, Marks, Rule
from lrtui.run.lr_rules import SIGNS
from lrtui.run.range_curve import RangeCurve
from lrtui.run.series import Series

STYLES = {name: f"chart--line-{number}" for number, name in enumerate(SIGNS, start=2)}
"""The colour of each rule, by its name."""


def range_chart(
    curve: RangeCurve, suggested: Mapping[str, float], chosen: str | None, current_lr: float, *, ascii_only: bool
) -> Chart:
    """Return what is drawn of a range test.

    Args:
        curve: as far as it has come.
        suggested: lrs by rule, each with a letter on the curve.
        chosen: the rule whose lr has a line through the chart.
        current_lr: the lr in use, marked on the axis.
        ascii_only: whether to draw with ASCII alone.
    """
    sweep, shown = curve.sweep, curve.shown
    layers: list[Layer] = []
    if current_lr > 0:
        # on the axis alone where another line is to be seen
        layers.append(Flag(sweep.x(current_lr)))
    if shown:
        layers += _curves(curve, shown)
    on_curve = {name: lr for name, lr in suggested.items() if shown and curve.lrs[0] <= lr <= curve.lrs[shown - 1]}
    if chosen is not None and chosen in suggested:
        layers.append(Rule(sweep.x(suggested[chosen]), "chart--cursor", "┊"))
    # the chosen one lies on top where letters fall on each other
    for name in sorted(on_curve, key=lambda name: name == chosen):
        layers.append(Marks([sweep.x(on_curve[name])], [curve.loss_at(on_curve[name])], STYLES[name], SIGNS[name]))
    return Chart(
        layers,
        sweep.x(sweep.start),
        sweep.x(sweep.end),
        x_label="lr",
        axis="epoch" if sweep.linear else "decade",
        ascii=ascii_only,
    )


def _curves(curve: RangeCurve, shown: int) -> list[Layer]:
    xs = Series([curve.sweep.x(lr) for lr in curve.lrs.values[:shown]])
    top = curve.top
    batches, smoothed = (
        Series(np.minimum(series.values[:shown], top if math.isfinite(top) else np.inf))
        for series in (curve.losses, curve.smoothed)
    )
    return [
        Curve(batches, 0.0, 1.0, "chart--band", "band", xs=xs, name="loss of each batch"),
        Curve(smoothed, 0.0, 1.0, "chart--line-1", xs=xs, name="smoothed loss"),
    ]
