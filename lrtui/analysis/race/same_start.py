"""Whether the runs of a race began alike, as far as it shows in what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lrtui.analysis.race.results import CellResult
from lrtui.run.comparison import CIRCUMSTANCES

TOLERANCE = 1e-3
"""Of the first batch's loss, relatively: an accelerator may add up in another order, other weights differ by more."""

IN_COMMON = ("computed on", "torch threads", "data", "samples", "parameters")
"""What all runs of a race have to share, besides their settings."""


def start_warnings(results: Sequence[CellResult]) -> Iterator[str]:
    """Yield what makes the runs of a race differ in more than their schedules.

    The first batch's loss comes before any step: where weights, data order and dropout are the same it is the same
    for every schedule with a seed.
    """
    for seed in dict.fromkeys(result.cell.seed for result in results):
        losses = [result.first_loss for result in results if result.cell.seed == seed and result.first_loss is not None]
        if losses and not all(math.isclose(loss, losses[0], rel_tol=TOLERANCE) for loss in losses):
            yield (
                f"with seed {seed} the first batch's loss is {min(losses):.6g} to {max(losses):.6g}: the runs did not "
                "begin alike, and their differences are not paired; the task draws from something that has no seed"
            )
    states = [result.story for result in results if result.story is not None and result.story.started is not None]
    for name in IN_COMMON:
        values = {words for state in states if (words := CIRCUMSTANCES[name](state)) is not None}
        if len(values) > 1:
            yield f"the runs differ in more than their schedules: {name}: {'; '.join(sorted(values))}"
