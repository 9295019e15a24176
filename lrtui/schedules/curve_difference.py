"""How far the lr that a run has recorded is from that of a schedule."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve

Floats = NDArray[np.float64]

AGREEMENT = 1e-6
"""Largest relative difference of two lrs that agree: logs may hold them in 32 bits, which are exact to 6e-8."""

ROUNDING = 1e-12
"""Largest difference of equal lrs as a share of the highest one: programs add and divide in different orders."""

OFFSETS = (0, 1, -1)
"""How many steps later a log may say that an lr was used; some count steps from 1, or log after the scheduler."""


@dataclass(frozen=True, slots=True)
class CurveDifference:
    """The differences between recorded lrs and a schedule's, for one parameter group.

    Args:
        points: number of points that were compared.
        agreeing: share of them that agree.
        mean: mean of the recorded lr less the schedule's; NaN without points.
        largest_absolute: the largest difference.
        absolute_step: the step that it was recorded at.
        largest_relative: the largest difference as a share of the higher lr of the two.
        relative_step: the step that it was recorded at.
        offset: steps by which the record is later than the schedule; not 0 only if every point agrees then.
    """

    points: int
    agreeing: float
    mean: float
    largest_absolute: float
    absolute_step: int | None
    largest_relative: float
    relative_step: int | None
    offset: int = 0

    @property
    def agrees(self) -> bool:
        """Whether every point agrees, and there is one."""
        return self.agreeing == 1.0

    def record(self) -> dict[str, Any]:
        """Return the fields for JSON; a number that is not finite is None."""
        values = asdict(self)
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }


def curve_differences(curve: RecordedCurve, lrs: Floats) -> list[CurveDifference]:
    """Return the differences for each parameter group that both have.

    Args:
        curve: what was recorded.
        lrs: lr of each step of the run from step 0 on, shape (steps, parameter groups).
    """
    groups = min(curve.lrs.shape[1], lrs.shape[1])
    # one record has one offset
    found: list[CurveDifference] = []
    for offset in OFFSETS:
        each = [_difference(curve.steps, curve.lrs[:, group], lrs[:, group], offset) for group in range(groups)]
        found = found or each
        # a record that counts steps from 1 has no step 0, so that no point is lost
        is_complete = all(new.points >= old.points for new, old in zip(each, found, strict=True))
        if is_complete and all(difference.agrees for difference in each):
            return each
    return found


def _difference(steps: NDArray[np.int64], recorded: Floats, lrs: Floats, offset: int) -> CurveDifference:
    places = steps - offset
    inside = (places >= 0) & (places < len(lrs)) & ~np.isnan(recorded)
    steps, recorded, wanted = steps[inside], recorded[inside], lrs[places[inside]]
    if not len(steps):
        return CurveDifference(0, 0.0, math.nan, math.nan, None, math.nan, None, offset)
    with np.errstate(all="ignore"):
        same = recorded == wanted
        differences = np.where(same, 0.0, recorded - wanted)
        sizes = np.abs(differences)
        higher = np.maximum(np.abs(recorded), np.abs(wanted))
        sizes[sizes <= ROUNDING * np.nanmax(higher[np.isfinite(higher)], initial=0.0)] = 0.0
        relative = np.where(sizes == 0, 0.0, sizes / higher)
    # an lr that is infinite or NaN on one side only is as far away as can be
    sizes[~np.isfinite(sizes)] = math.inf
    relative[~np.isfinite(relative)] = math.inf
    largest, farthest = int(sizes.argmax()), int(relative.argmax())
    return CurveDifference(
        points=len(steps),
        agreeing=float((relative <= AGREEMENT).mean()),
        mean=float(differences.mean()),
        largest_absolute=float(sizes[largest]),
        absolute_step=int(steps[largest]),
        largest_relative=float(relative[farthest]),
        relative_step=int(steps[farthest]),
        offset=offset,
    )
