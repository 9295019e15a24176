"""Previewed schedules as a chart for standard output, with their figures below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.cli import line_chart
from lrtui.cli.line_chart import SIGNS, Curve, chart_columns, epoch_ticks, marker_of
from lrtui.schedules.schedule import Horizon
from lrtui.text.numbers import four_digits

if TYPE_CHECKING:
    from lrtui.schedules.simulate import WhatIf


def print_chart(previews: Sequence[WhatIf], horizon: Horizon, base_lrs: Sequence[float]) -> None:
    """Draw the curves over each other, as wide as the terminal, and print their figures below.

    Args:
        base_lrs: the optimizer's own, one per parameter group; what the areas are shares of.
    """
    import numpy as np

    steps = np.linspace(0, horizon.total_steps - 1, min(horizon.total_steps, 2 * chart_columns())).astype(int)
    epochs = (steps / horizon.batches_per_epoch).tolist()
    curves = [
        Curve(epochs, preview.lrs[steps, group].tolist(), index, marker_of(index, len(previews)))
        for index, preview in enumerate(previews)
        for group in range(preview.lrs.shape[1])
    ]
    line_chart.print_chart(curves, epoch_ticks(0, horizon.epochs), from_zero=True)
    for index, preview in enumerate(previews):
        _print_figures(preview, horizon, base_lrs, marker_of(index, len(previews)) if len(previews) > 1 else "")


def _print_figures(preview: WhatIf, horizon: Horizon, base_lrs: Sequence[float], marker: str) -> None:
    from lrtui.schedules.lr_curve import curve_statistics, percent_text

    sign = f"{SIGNS.get(marker, marker)} " if marker else ""
    print(f"{sign}{preview.schedule}, per {preview.schedule.per}")
    for group in range(preview.lrs.shape[1]):
        lrs = preview.lrs[:, group]
        name = f"  group {group}" if preview.lrs.shape[1] > 1 else "  lr"
        facts = curve_statistics(lrs, base_lrs[group])
        print(
            f"{name}: first {four_digits(lrs[0] + 0.0)}, peak {four_digits(facts.peak)} "
            f"at step {int(lrs.argmax()):,}, last {four_digits(facts.last)}"
        )
        area = "" if math.isnan(facts.area) else f"area {percent_text(facts.area)} of a constant {base_lrs[group]:g}; "
        print(f"  {area}{percent_text(facts.low)} of the steps below 1 % of the peak")
        starts = [four_digits(lrs[epoch * horizon.batches_per_epoch]) for epoch in range(min(horizon.epochs, 100))]
        print(f"  as each epoch starts: {'  '.join(starts)}{'  …' if horizon.epochs > 100 else ''}")
