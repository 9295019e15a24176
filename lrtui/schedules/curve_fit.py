"""The usual schedule that has a recorded lr curve, found by its formula; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrtui.schedules.curve_difference import OFFSETS
from lrtui.schedules.lr_curve import trained_lrs

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve

Floats = NDArray[np.float64]

TOLERANCE = 1e-4
"""Largest relative difference at any point."""

NEAR_ZERO = 1e-7
"""Difference that is accepted near 0, as a share of the peak: programs round differently."""

PER_BATCH = ("OneCycleLR", "WarmupLinear", "WarmupCosine")
"""The schedulers that are stepped after every batch unless `per` says otherwise."""

MIN_POINTS = 5
"""Minimum number of points: any few of them lie on some schedule."""

TRIED = 2_000
"""Maximum number of points that every kind of schedule is tried on."""

MAX_WARMUPS = 5_000
"""Maximum number of lengths of a warmup that are tried."""


@dataclass(frozen=True, slots=True)
class FittedSchedule:
    """A schedule that agrees with every recorded point.

    Args:
        notation: the schedule, with all lengths.
        base_lr: the lr of the optimizer that it needs.
        offset: steps by which the record is later than the schedule; negative if it is earlier.
    """

    notation: str
    base_lr: float
    offset: int = 0


@dataclass(frozen=True, slots=True)
class _Points:
    """What is compared.

    Args:
        x: `step()` calls done before each point.
        y: the lrs.
        calls: `step()` calls of the whole run.
        per: `epoch` or `batch`.
    """

    x: Floats
    y: Floats
    calls: int
    per: str

    def some(self) -> _Points:
        """Return at most TRIED of the points, the first and the last among them."""
        if len(self.x) <= TRIED:
            return self
        places = np.linspace(0, len(self.x) - 1, TRIED).astype(np.int64)
        return _Points(self.x[places], self.y[places], self.calls, self.per)

    def agree(self, lrs: Floats | float) -> bool:
        """Return whether lrs at these points are the recorded ones."""
        near = TOLERANCE * np.abs(self.y) + NEAR_ZERO * self.y.max()
        return bool(np.all(np.abs(lrs - self.y) <= near))

    def written(self, scheduler: str, **arguments: float) -> str:
        """Return the notation of a scheduler."""
        default = "batch" if scheduler in PER_BATCH else "epoch"
        parts = [f"{key}={int(value) if value == int(value) else value!r}" for key, value in arguments.items()]
        parts += [f"per={self.per!r}"] if self.per != default else []
        return f"{scheduler}({', '.join(parts)})"


def fit_schedule(curve: RecordedCurve) -> FittedSchedule | None:
    """Return the usual schedule whose lr the first trained parameter group has at every point; None if none has it.

    Constant, exponential, in steps, cosine, polynomial, one cycle, and a warmup followed by a line or a cosine.
    """
    lrs = trained_lrs(np.nan_to_num(curve.lrs))
    if len(lrs) < MIN_POINTS or not np.isfinite(curve.lrs).all() or lrs.min() < 0 or lrs.max() <= 0:
        return None
    for offset in OFFSETS:
        places = curve.steps - offset
        if places[0] < 0:
            continue
        for points in _in_units(curve, places, lrs):
            with np.errstate(all="ignore"):
                for find in FINDERS:
                    # what does not agree with some points does not agree with all
                    if find(points.some()) is not None and (found := find(points)) is not None:
                        return FittedSchedule(*found, offset)
    return None


def _in_units(curve: RecordedCurve, places: NDArray[np.int64], lrs: Floats) -> Iterator[_Points]:
    per_epoch = curve.batches_per_epoch
    if per_epoch is not None and per_epoch > 1:
        epochs = places // per_epoch
        same = np.diff(epochs) == 0
        # stepped per epoch, it is constant within each
        if np.all(np.diff(lrs)[same] == 0):
            yield _Points(epochs.astype(np.float64), lrs, -(-curve.length // per_epoch), "epoch")
    yield _Points(places.astype(np.float64), lrs, curve.length, "batch")


Found = tuple[str, float] | None
"""Notation and lr of the optimizer."""


def _simplest(value: float, agrees: Callable[[float], bool]) -> float | None:
    """Return the value with the fewest digits that agrees; None if not even the value itself does."""
    for digits in (*range(1, 8), 17):
        rounded = float(f"{value:.{digits}g}")
        if agrees(rounded):
            return rounded
    return None


def _scaled(points: _Points, shape: Floats) -> float | None:
    """Return the lr that a curve of this shape must be multiplied by."""
    highest = int(points.y.argmax())
    if not shape[highest] > 0:
        return None
    return _simplest(float(points.y[highest] / shape[highest]), lambda lr: points.agree(lr * shape))


def _constant(points: _Points) -> Found:
    lr = _scaled(points, np.ones_like(points.x))
    return None if lr is None else ("ConstantLR(factor=1)", lr)


def _exponential(points: _Points) -> Found:
    x, y = points.x, points.y
    if y.min() <= 0 or x[-1] == x[0] or y[-1] >= y[0]:
        return None
    found = float((y[-1] / y[0]) ** (1 / (x[-1] - x[0])))
    gamma = _simplest(found, lambda gamma: points.agree(y[0] * gamma ** (x - x[0])))
    lr = None if gamma is None else _scaled(points, gamma**x)
    return None if lr is None or gamma is None else (points.written("ExponentialLR", gamma=gamma), lr)


def _in_steps(points: _Points) -> Found:
    x, y = points.x, points.y
    drops = np.flatnonzero(y[1:] < y[:-1] * (1 - TOLERANCE))
    if not len(drops) or y.min() <= 0 or np.any(np.diff(y) > 0):
        return None
    gamma = float(f"{y[drops[0] + 1] / y[drops[0]]:.4g}")
    counts = np.round(np.log(y / y[0]) / math.log(gamma))
    # the number of drops is floor(x / step_size)
    low, high = float((x / (counts + 1)).max()), float((x[counts > 0] / counts[counts > 0]).min())
    size = _roundest(math.floor(low) + 1, math.floor(high))
    if size is None or points.calls <= size:
        return None
    lr = _scaled(points, gamma ** np.floor(x / size))
    return None if lr is None else (points.written("StepLR", step_size=size, gamma=gamma), lr)


def _roundest(low: int, high: int) -> int | None:
    """Return the number from low to high that the largest power of ten divides; None if there is none."""
    for power in range(12, -1, -1):
        unit = int(10**power)
        first = -(-low // unit) * unit
        if low <= first <= high:
            return first
    return None


def _cosine(points: _Points) -> Found:
    for length in (points.calls, points.calls - 1):
        if length < 2:
            continue
        share = (1 + np.cos(np.pi * points.x / length)) / 2
        # linear in the highest and the lowest lr
        (high, low), *_ = np.linalg.lstsq(np.stack([share, 1 - share], axis=1), points.y, rcond=None)
        for lowest in (0.0, float(f"{low:.3g}")):
            lr = _simplest(float(high), partial(_is_between, points, share, lowest))
            if lr is not None and lr > lowest >= 0:
                eta: dict[str, float] = {"eta_min": lowest} if lowest else {}
                return points.written("CosineAnnealingLR", T_max=length, **eta), lr
    return None


def _is_between(points: _Points, share: Floats, low: float, high: float) -> bool:
    return points.agree(low + (high - low) * share)


def _polynomial(points: _Points) -> Found:
    for length in (points.calls, points.calls - 1):
        left = np.maximum(0.0, 1 - points.x / max(length, 1))
        known = (left > 0) & (points.y > 0)
        if known.sum() < MIN_POINTS:
            continue
        slope = np.polyfit(np.log(left[known]), np.log(points.y[known]), 1)[0]
        power = _simplest(float(slope), partial(_is_power, points, left))
        lr = None if power is None or power <= 0 else _scaled(points, left**power)
        if lr is not None and power is not None:
            return points.written("PolynomialLR", total_iters=length, power=power), lr
    return None


def _is_power(points: _Points, left: Floats, power: float) -> bool:
    return _scaled(points, left**power) is not None


def _one_cycle(points: _Points) -> Found:
    last = points.calls - 1
    for share, divisor, final in product((0.3, 0.1, 0.2, 0.25, 0.4, 0.5, 0.05, 0.15), (25.0, 10.0), (1e4, 1e3, 1e2)):
        top = share * points.calls - 1
        if top <= 0 or top >= last:
            continue
        start, end = 1 / divisor, 1 / divisor / final
        rise = 1 + (start - 1) / 2 * (1 + np.cos(np.pi * points.x / top))
        fall = end + (1 - end) / 2 * (1 + np.cos(np.pi * (points.x - top) / (last - top)))
        lr = _scaled(points, np.where(points.x <= top, rise, fall))
        if lr is not None:
            given = {"pct_start": (share, 0.3), "div_factor": (divisor, 25.0), "final_div_factor": (final, 1e4)}
            own = {name: value for name, (value, default) in given.items() if value != default}
            return points.written("OneCycleLR", max_lr=lr, total_steps=points.calls, **own), lr
    return None


def _warmup(points: _Points) -> Found:
    x, y = points.x, points.y
    top = int(y.argmax())
    # one point of the warmup has its slope
    if top < 1 or not y[top - 1] > 0 or not x[top - 1] > 0:
        return None
    slope = y[top - 1] / x[top - 1]
    longest = int(x[min(top + 1, len(x) - 1)])
    for warmup in range(int(x[top - 1]), min(longest, int(x[top - 1]) + MAX_WARMUPS) + 1):
        # the highest recorded lr is the peak or below it
        if warmup < 1 or slope * warmup < y[top] * (1 - TOLERANCE):
            continue
        for name, total in product(("WarmupLinear", "WarmupCosine"), (points.calls, points.calls - 1)):
            lr = _scaled(points, _warmed_up(x, name, warmup, total))
            if lr is not None:
                return points.written(name, warmup=warmup, total_steps=total), lr
    return None


def _short_warmup(points: _Points) -> Found:
    """Return a cosine after a warmup within which nothing but an lr of 0 was logged."""
    x, y = points.x, points.y
    top = int(y.argmax())
    if top > 1 or (top == 1 and y[0] > 0):
        return None
    best: tuple[float, float, int, int] | None = None
    for warmup, total in product(range(1, min(int(x[top]), MAX_WARMUPS) + 1), (points.calls, points.calls - 1)):
        shape = _warmed_up(x, "WarmupCosine", warmup, total)
        # lengths that are almost the same agree as well
        if points.agree(float(y[top] / shape[top]) * shape) and (lr := _scaled(points, shape)) is not None:
            found = float(np.abs(lr * shape - y).max()), lr, warmup, total
            best = found if best is None else min(best, found)
    if best is None:
        return None
    _, lr, warmup, total = best
    return points.written("WarmupCosine", warmup=warmup, total_steps=total), lr


def _warmed_up(x: Floats, name: str, warmup: int, total: int) -> Floats:
    progress = np.clip((x - warmup) / max(1, total - warmup), 0, 1)
    fall = 1 - progress if name == "WarmupLinear" else (1 + np.cos(np.pi * progress)) / 2
    return np.where(x < warmup, x / warmup, fall)


FINDERS = (_constant, _exponential, _in_steps, _cosine, _polynomial, _one_cycle, _warmup, _short_warmup)
"""From simple to special."""
