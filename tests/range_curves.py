"""Typical curves of range tests: flat, falling, then diverging."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeFeed, Sweep


def valley_losses(steps: int, *, noise: float = 0.03, learns_at: float = 1e-3, diverges_at: float = 0.1) -> list[float]:
    """Return the losses of the first steps of the usual sweep: from 2.3 down to 0.6, and up again.

    Args:
        noise: standard deviation of a batch's loss.
        learns_at: lr in the middle of the fall.
        diverges_at: lr at which the loss is back at its first value.
    """
    sweep = Sweep()
    lrs = np.array([sweep.lr(step) for step in range(sweep.steps)])
    falls = 1.7 / (1 + (learns_at / lrs) ** 1.5)
    rises = 1.7 * (lrs / diverges_at) ** 2
    drawn = np.random.default_rng(4).normal(0, noise, sweep.steps)
    losses: list[float] = (2.3 - falls + rises + drawn)[:steps].tolist()
    return losses


def curve_of(losses: Sequence[float], sweep: Sweep | None = None) -> RangeCurve:
    """Return the curve of a sweep's first steps."""
    sweep = sweep or Sweep()
    curve = RangeCurve(sweep)
    for step, loss in enumerate(losses):
        curve.add(sweep.lr(step), loss)
    return curve


def feed_curve(feed: RangeFeed, sweep: Sweep, losses: Sequence[float], first: int = 0) -> None:
    """Publish the losses as those of the sweep's steps from the first on."""
    for step, loss in enumerate(losses, start=first):
        feed.publish(sweep.lr(step), loss)
