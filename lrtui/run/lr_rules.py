"""Four rules that read an lr off the curve of a range test, and how far they agree.

The curve's first tenth is left out, where the loss has not begun to follow the lr, and its last five steps, where it
is on its way out, as fastai's lr_find does (docs.fast.ai/callback.schedule.html), from which valley, slide, steep and
minimum have their names. Where a rule finds nothing it suggests nothing: fastai returns some end of the curve then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKIPPED_FIRST, SKIPPED_LAST = 0.1, 5
"""Share of the sweep that is left out at its beginning, and steps at its end."""

CLOSE, APART = 3.0, 10.0
"""Greatest over least suggestion up to which the rules agree, and from which on they do not."""

SLOPE_ERRORS = 2.0
"""Standard errors up to which two slopes are the same."""

NOISE_ERRORS = 5.0
"""Standard errors of the smoothed loss that it has to fall by: of noise alone, highest and lowest lie four apart."""


@dataclass(frozen=True, slots=True)
class CurvePart:
    """The part of a curve that rules look at.

    Args:
        lrs: rising, shape (steps,).
        losses: smoothed, of the same shape.
        steps: of the whole sweep.
        noise: by how much the losses of batches differ where nothing else does, their standard deviation.
        span: in steps, of the exponential mean.
    """

    lrs: Floats
    losses: Floats
    steps: int
    noise: float
    span: int


def steepest(kept: CurvePart) -> float | None:
    """Return the lr at which the loss falls fastest over log lr: where most is learnt, by Smith's reading.

    Looked for up to the minimum: a fall after it is one from a peak on the way out.
    """
    last = int(kept.losses.argmin())
    if last < 2:
        return None
    slopes = np.gradient(kept.losses, np.log(kept.lrs))[: last + 1]
    place = int(slopes.argmin())
    return float(kept.lrs[place]) if slopes[place] < 0 else None


def valley(kept: CurvePart) -> float | None:
    """Return the lr in the middle of the longest valley: fastai's default.

    The valley ends where the longest run of ever lower losses (not all neighbours) ends, and is as long as that has
    losses.
    """
    losses = kept.losses
    lengths = np.ones(len(losses), dtype=np.int64)
    for index in range(1, len(losses)):
        higher = losses[:index] > losses[index]
        if higher.any():
            lengths[index] = lengths[:index][higher].max() + 1
    end = int(lengths.argmax())
    length = int(lengths[end])
    if length < 3:
        return None
    start, third = max(0, end - length), min(end, length) / 3
    return float(kept.lrs[start + int(third) + int(third / 2)])


def minimum(kept: CurvePart) -> float | None:
    """Return a tenth of the lr with the lowest loss: at the minimum itself the loss is about to rise."""
    place = int(kept.losses.argmin())
    return float(kept.lrs[place]) / 10 if place > 0 else None


def slide(kept: CurvePart) -> float | None:
    """Return the lr below the rise at the end: an interval slides down until the slope at both its ends is the same.

    fastai's interval is 15 steps of 100, and its threshold 0.005 of loss a step. Here both follow the sweep's length;
    the threshold is that share of the loss's own fall, so that a loss of another size gives the same lr, and at least
    what noise alone makes of a slope.
    """
    losses, width = kept.losses, max(3, round(0.15 * kept.steps))
    if len(losses) <= width:
        return None
    fall = float(losses[: int(losses.argmin()) + 1].max() - losses.min())
    # a step moves an exponential mean by 2 / (span + 1) of a loss's distance to it
    threshold = max(0.5 * fall / kept.steps, 2 * SLOPE_ERRORS * kept.noise / (kept.span + 1))
    slopes = np.gradient(losses)
    differences = np.abs(slopes[width:] - slopes[:-width])
    if differences[-1] <= threshold:
        return None
    same = np.flatnonzero(differences <= threshold)
    # the last interval whose ends still differed is the one above it
    return float(kept.lrs[same[-1] + 1]) if len(same) else None


RULES: Mapping[str, Callable[[CurvePart], float | None]] = {
    "steepest": steepest,
    "valley": valley,
    "minimum/10": minimum,
    "slide": slide,
}
"""The rules by name."""


SIGNS = dict(zip(RULES, "SVML", strict=True))
"""What marks each rule's lr on a chart."""


def format_lr(lr: float | None) -> str:
    """Return a suggestion as people read it: two digits, since no curve says more."""
    return "none" if lr is None else f"{lr:.2g}"


def format_factor(factor: float) -> str:
    """Return how many times more something is: `4.1`, `13`, `2e+09`."""
    if factor >= 1e6:
        return f"{factor:.0e}"
    return f"{factor:.1f}" if factor < APART else f"{factor:,.0f}"


@dataclass(frozen=True, slots=True)
class Suggestions:
    """What the rules make of a curve.

    Args:
        lrs: by the rule's name; None where a rule finds nothing.
        doubt: why none of them can be relied on, in words; empty where they can.
    """

    lrs: Mapping[str, float | None] = field(default_factory=lambda: dict.fromkeys(RULES))
    doubt: str = ""

    @property
    def found(self) -> dict[str, float]:
        """Those there are, by the rule's name."""
        return {name: lr for name, lr in self.lrs.items() if lr is not None}

    @property
    def suggested_by(self) -> str | None:
        """The rule whose lr lies in the middle; None where none can be relied on.

        Of two in the middle it is the higher one: every rule stays below the lr at which the loss rises.
        """
        if self.doubt or not self.found:
            return None
        ordered = sorted(self.found, key=lambda name: self.found[name])
        return ordered[len(ordered) // 2]

    @property
    def suggested(self) -> float | None:
        """The lr to take where somebody wants one: the middle one's."""
        return self.found[self.suggested_by] if self.suggested_by else None

    @property
    def spread(self) -> float | None:
        """Greatest over least; None for fewer than two."""
        found = self.found.values()
        return max(found) / min(found) if len(found) > 1 else None

    @property
    def agreement(self) -> str:
        """How far they agree, in words."""
        if self.doubt:
            return self.doubt
        if not self.found:
            return "no rule finds an lr on this curve"
        if self.spread is None:
            return f"only one rule finds an lr: {next(iter(self.found))}"
        count, factor = {2: "two rules", 3: "three rules", 4: "four rules"}[len(self.found)], format_factor(self.spread)
        if self.spread <= CLOSE:
            return f"{count} agree within a factor of {factor}"
        if self.spread < APART:
            return f"{count} differ by a factor of {factor}: the middle is the safer choice"
        return f"{count} do not agree, by a factor of {factor}: look at the curve"


def suggest(lrs: Floats, losses: Floats, smoothed: Floats, *, steps: int, span: int) -> Suggestions:
    """Return what the rules make of a curve.

    Args:
        lrs: of the steps made, shape (steps,).
        losses: of their batches.
        smoothed: the exponential mean of these.
        steps: of the whole sweep.
        span: in steps, of that mean.
    """
    bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(smoothed)))
    end = int(bad[0]) if len(bad) else len(losses)
    first, last = round(steps * SKIPPED_FIRST), end - SKIPPED_LAST
    if last - first < SKIPPED_LAST:
        return Suggestions(doubt="too short a curve to read an lr off it")
    noise = _noise(losses[first:last][: int(smoothed[first:last].argmin()) + 1])
    kept = CurvePart(lrs[first:last], smoothed[first:last], steps, noise, span)
    found = {name: rule(kept) for name, rule in RULES.items()}
    return Suggestions(found, _doubt(kept))


def _noise(losses: Floats) -> float:
    # steps that follow each other see other batches: half of the variance of their differences is noise alone
    return math.sqrt(float(np.mean(np.diff(losses) ** 2)) / 2) if len(losses) > 1 else 0.0


def _doubt(kept: CurvePart) -> str:
    """Return why a curve can't be relied on, or nothing."""
    place = int(kept.losses.argmin())
    fall = float(kept.losses[: place + 1].max() - kept.losses[place])
    if fall > NOISE_ERRORS * kept.noise / math.sqrt(kept.span):
        return ""
    return "the loss falls by no more than its noise: no lr can be read off this curve"
