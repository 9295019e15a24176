"""Four rules that choose an lr from the curve of a range test, and how well they agree.

The rules have the names that fastai's lr_find gives them (docs.fast.ai/callback.schedule.html). As there, the first
tenth of the curve, where the loss does not follow the lr yet, and the last five steps, where it diverges, are skipped.
Where fastai's rule would return the first or last lr of the curve, a rule returns None.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SKIPPED_FIRST, SKIPPED_LAST = 0.1, 5
"""Fraction of the sweep that is left out at its start, and number of steps left out at its end."""

CLOSE, APART = 3.0, 10.0
"""Ratios of the largest to the smallest lr: up to the first the rules agree, from the second on they disagree."""

SLOPE_ERRORS = 2.0
"""Two slopes that differ by at most this many standard errors count as equal."""

NOISE_ERRORS = 8.0
"""Standard errors by which the smoothed loss must fall. Noise alone makes it fall by about four, rarely by seven."""

RISE_ERRORS = 4.0
"""Standard errors above its median from which on the smoothed loss counts as risen."""


@dataclass(frozen=True, slots=True)
class CurvePart:
    """The part of a curve that the rules use.

    Args:
        lrs: increasing, shape (n,).
        losses: smoothed losses, shape (n,).
        steps: number of steps of the whole sweep.
        noise: standard deviation of the loss between batches at the same lr.
        span: span of the exponential mean, in steps.
    """

    lrs: Floats
    losses: Floats
    steps: int
    noise: float
    span: int


def steepest(part: CurvePart) -> float | None:
    """Return the lr at which the loss falls fastest over log lr, as Smith suggests.

    Only the curve up to its minimum counts, since a later fall follows a peak of the diverging loss.
    """
    last = int(part.losses.argmin())
    if last < 2:
        return None
    slopes = np.gradient(part.losses, np.log(part.lrs))[: last + 1]
    place = int(slopes.argmin())
    return float(part.lrs[place]) if slopes[place] < 0 else None


def valley(part: CurvePart) -> float | None:
    """Return the lr in the middle of the longest valley, fastai's default.

    The valley ends where the longest decreasing subsequence of the losses ends, and has as many steps as that has
    values.
    """
    losses = part.losses
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
    return float(part.lrs[start + int(third) + int(third / 2)])


def minimum(part: CurvePart) -> float | None:
    """Return a tenth of the lr with the lowest loss, since the loss is about to rise at the minimum itself."""
    place = int(part.losses.argmin())
    return float(part.lrs[place]) / 10 if place > 0 else None


def slide(part: CurvePart) -> float | None:
    """Return the lr below the final rise of the loss: an interval slides down until the slopes at its ends are equal.

    fastai uses an interval of 15 steps out of 100 and a threshold of 0.005 per step. Here both depend on the length of
    the sweep. The threshold is a fraction of the fall of the loss, so that scaling the loss does not change the lr,
    and at least as large as the slope that noise alone causes.
    """
    losses, width = part.losses, max(3, round(0.15 * part.steps))
    if len(losses) <= width:
        return None
    fall = float(losses[: int(losses.argmin()) + 1].max() - losses.min())
    # each step moves the exponential mean by 2 / (span + 1) of the distance to the new loss
    threshold = max(0.5 * fall / part.steps, 2 * SLOPE_ERRORS * part.noise / (part.span + 1))
    slopes = np.gradient(losses)
    differences = np.abs(slopes[width:] - slopes[:-width])
    if differences[-1] <= threshold:
        return None
    same = np.flatnonzero(differences <= threshold)
    # the interval just above the highest one with equal slopes
    return float(part.lrs[same[-1] + 1]) if len(same) else None


RULES: Mapping[str, Callable[[CurvePart], float | None]] = {
    "steepest": steepest,
    "valley": valley,
    "minimum/10": minimum,
    "slide": slide,
}
"""The rules by name."""


SIGNS = dict(zip(RULES, "SVML", strict=True))
"""The letter that marks each rule's lr on a chart."""


def format_lr(lr: float | None) -> str:
    """Return a suggested lr with two digits; the curve is not more precise."""
    return "none" if lr is None else f"{lr:.2g}"


def format_factor(factor: float) -> str:
    """Return a ratio as text: `4.1`, `13`, `2e+09`."""
    if factor >= 1e6:
        return f"{factor:.0e}"
    return f"{factor:.1f}" if factor < APART else f"{factor:,.0f}"


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The lrs that the rules suggest.

    Args:
        lrs: suggested lrs by the rule's name; None if a rule finds nothing.
        doubt: the reason why none of them is reliable; empty if they are.
        stable: the largest lr before the loss rises, for a complete curve that is not reliable; None if unknown.
    """

    lrs: Mapping[str, float | None] = field(default_factory=lambda: dict.fromkeys(RULES))
    doubt: str = ""
    stable: float | None = None

    @property
    def found(self) -> dict[str, float]:
        """The lrs that were found, by the rule's name."""
        return {name: lr for name, lr in self.lrs.items() if lr is not None}

    @property
    def suggested_by(self) -> str | None:
        """The rule whose lr is the median; None if none is reliable.

        With an even number of lrs it is the higher of the middle two, since every rule stays below the lr at which the
        loss rises.
        """
        if self.doubt or not self.found:
            return None
        ordered = sorted(self.found, key=lambda name: self.found[name])
        return ordered[len(ordered) // 2]

    @property
    def suggested(self) -> float | None:
        """The median of the lrs found; None if none is reliable."""
        return self.found[self.suggested_by] if self.suggested_by else None

    @property
    def spread(self) -> float | None:
        """Ratio of the largest to the smallest lr; None for fewer than two."""
        found = self.found.values()
        return max(found) / min(found) if len(found) > 1 else None

    @property
    def agreement(self) -> str:
        """Whether the rules agree, as text."""
        if self.doubt:
            stable = "" if self.stable is None else f"; the largest stable lr is {format_lr(self.stable)}"
            return f"{self.doubt}{stable}"
        if not self.found:
            return "no rule finds an lr on this curve"
        if self.spread is None:
            return f"only one rule finds an lr: {next(iter(self.found))}"
        count, factor = {2: "two rules", 3: "three rules", 4: "four rules"}[len(self.found)], format_factor(self.spread)
        if self.spread <= CLOSE:
            return f"{count} agree within a factor of {factor}"
        if self.spread < APART:
            return f"{count} differ by a factor of {factor}: the median is the safer choice"
        return f"{count} differ by a factor of {factor}: they disagree, check the curve"


def suggest(lrs: Floats, losses: Floats, smoothed: Floats, *, steps: int, span: int) -> Suggestions:
    """Return the lrs that the rules suggest for a curve.

    Args:
        lrs: lr of each step done, shape (n,).
        losses: loss of each batch, shape (n,).
        smoothed: exponential mean of the losses, shape (n,).
        steps: number of steps of the whole sweep.
        span: span of the mean, in steps.
    """
    bad = np.flatnonzero(~(np.isfinite(losses) & np.isfinite(smoothed)))
    end = int(bad[0]) if len(bad) else len(losses)
    first, last = round(steps * SKIPPED_FIRST), end - SKIPPED_LAST
    if last - first < SKIPPED_LAST:
        return Suggestions(doubt="the curve is too short to suggest an lr")
    noise = _noise(losses[first:last][: int(smoothed[first:last].argmin()) + 1])
    part = CurvePart(lrs[first:last], smoothed[first:last], steps, noise, span)
    found = {name: rule(part) for name, rule in RULES.items()}
    doubt = _doubt(part)
    return Suggestions(found, doubt, _largest_stable(part) if doubt else None)


def _noise(losses: Floats) -> float:
    # consecutive losses differ mostly by their batches, so half the variance of the differences is noise
    return math.sqrt(float(np.mean(np.diff(losses) ** 2)) / 2) if len(losses) > 1 else 0.0


def _doubt(part: CurvePart) -> str:
    """Return why a curve is not reliable; empty if it is."""
    place = int(part.losses.argmin())
    fall = float(part.losses[: place + 1].max() - part.losses[place])
    if fall > NOISE_ERRORS * part.noise / math.sqrt(part.span):
        return ""
    return "no slope can be read: the loss falls by no more than its noise"


def _largest_stable(part: CurvePart) -> float:
    """Return the largest lr before the final rise of the loss; the last one if it does not rise."""
    limit = float(np.median(part.losses)) + RISE_ERRORS * part.noise / math.sqrt(part.span)
    below = np.flatnonzero(part.losses <= limit)
    if below[-1] == len(part.losses) - 1:
        return float(part.lrs[-1])
    # the mean lags behind the losses by half of its span
    return float(part.lrs[max(0, int(below[-1]) - part.span // 2)])
