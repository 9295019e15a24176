"""The chart of a range test: the loss of each batch and the smoothed loss over lr, and the suggested lrs."""

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
"""Component class of each rule's colour, by the rule's name."""


def range_chart(
    curve: RangeCurve, suggested: Mapping[str, float], chosen: str | None, current_lr: float, *, ascii_only: bool
) -> Chart:
    """Return the chart of a range test.

    Args:
        curve: the curve so far.
        suggested: suggested lrs by rule, marked on the curve by letters.
        chosen: rule whose lr is marked by a vertical line.
        current_lr: lr of the optimizer, marked on the axis.
        ascii_only: whether to use ASCII characters only.
    """
    sweep, shown = curve.sweep, curve.shown
    layers: list[Layer] = []
    if current_lr > 0:
        # a vertical line here would be confused with that of the chosen lr
        layers.append(Flag(sweep.x(current_lr)))
    if shown:
        layers += _curves(curve, shown)
    on_curve = {name: lr for name, lr in suggested.items() if shown and curve.lrs[0] <= lr <= curve.lrs[shown - 1]}
    if chosen is not None and chosen in suggested:
        layers.append(Rule(sweep.x(suggested[chosen]), "chart--cursor", "┊"))
    # where letters overlap, the chosen one is on top
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
        Curve(batches, 0.0, 1.0, "chart--band-1", "band", xs=xs, name="loss of each batch"),
        Curve(smoothed, 0.0, 1.0, "chart--line-1", xs=xs, name="smoothed loss"),
    ]
