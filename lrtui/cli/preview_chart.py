"""Previewed schedules as a chart for standard output, with their figures below."""

from __future__ import annotations

import io
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.run.numbers import four_digits
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGEST = 1e30
"""Values beyond are drawn at the edge."""

COLOURS = ("blue+", "orange", "green+", "magenta+", "yellow", "red+", "cyan+", "gray")
MARKERS = ("braille", "o", "x", "+", "*", "#", "%", "&")


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule, filled in, and its lr: float64, shape (batches, parameter groups)."""

    schedule: Schedule
    filled_in: dict[str, int]
    lrs: NDArray[np.float64]


def print_chart(previews: list[Preview], horizon: Horizon) -> None:
    """Draw the curves over each other, as wide as the terminal, and print their figures below."""
    import numpy as np
    import plotext

    width = min(120, shutil.get_terminal_size((100, 30)).columns)
    plotext.clear_figure()
    # else it makes itself as narrow as what it takes for the terminal
    plotext.limitsize(False, False)
    plotext.plotsize(width, 22)
    plotext.theme("clear")
    steps = np.linspace(0, horizon.total_steps - 1, min(horizon.total_steps, 2 * width)).astype(int)
    # plotext draws whatever it is given dot by dot: all of it has to be finite and within the axes
    curves = [
        np.clip(np.nan_to_num(preview.lrs[steps], posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
        for preview in previews
    ]
    low = min(0.0, *(float(curve.min()) for curve in curves))
    high = max(float(curve.max()) for curve in curves)
    if high - low < 1e-300:
        high = low + 1.0
    for index, curve in enumerate(curves):
        for group in range(curve.shape[1]):
            plotext.plot(
                (steps / horizon.batches_per_epoch).tolist(),
                # as shares of the axis: plotext can't tell very small numbers apart
                ((curve[:, group] - low) / (high - low)).tolist(),
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)] if len(previews) > 1 else "braille",
            )
    plotext.xticks(list(range(0, horizon.epochs + 1, max(1, horizon.epochs // 10))))
    shares = [share / 4 for share in range(5)]
    plotext.yticks(shares, [four_digits(low + share * (high - low)) for share in shares])
    plotext.ylim(0, 1.02)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # where there are no such characters a row of question marks still shows the curve
        sys.stdout.reconfigure(errors="replace")
    chart = plotext.build()
    print(chart if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plotext.uncolorize(chart))
    print(f"{'epoch':>{width}}\n")
    for index, preview in enumerate(previews):
        _print_figures(preview, horizon, MARKERS[index % len(MARKERS)] if len(previews) > 1 else "")


def _print_figures(preview: Preview, horizon: Horizon, marker: str) -> None:
    sign = {"": "", "braille": "⠒ "}.get(marker, f"{marker} ")
    print(f"{sign}{preview.schedule}, per {preview.schedule.per}")
    for group in range(preview.lrs.shape[1]):
        lrs = preview.lrs[:, group]
        name = f"  group {group}" if preview.lrs.shape[1] > 1 else "  lr"
        print(
            f"{name}: first {four_digits(lrs[0] + 0.0)}, peak {four_digits(lrs.max() + 0.0)} "
            f"at step {int(lrs.argmax()):,}, last {four_digits(lrs[-1])}"
        )
        starts = [four_digits(lrs[epoch * horizon.batches_per_epoch]) for epoch in range(min(horizon.epochs, 100))]
        print(f"  as each epoch starts: {'  '.join(starts)}{'  …' if horizon.epochs > 100 else ''}")
