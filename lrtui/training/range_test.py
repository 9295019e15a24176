"""The range test: the lr raised step by step until the loss leaves off, and all put back as it was.

L. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from typing import Any

import torch

from lrtui.run.errors import LrtuiError, TaskError
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeEnd, RangeFeed, RangeOutcome, RangeStart
from lrtui.run.sweep import Sweep
from lrtui.run.user_error import describe_exception
from lrtui.schedules.notation import parse_optimizer
from lrtui.training.batches import Batch, Batches
from lrtui.training.optimizer_step import Update
from lrtui.training.run_setup import RunSetup
from lrtui.training.state_snapshot import set_aside


def range_test(
    setup: RunSetup,
    sweep: Sweep,
    feed: RangeFeed,
    *,
    gradient_scaler: torch.amp.GradScaler | None = None,
    is_called_away: Callable[[], bool] = lambda: False,
) -> None:
    """Make a range test from the state that a run is in; afterwards that is as it was, to the bit.

    Whatever happens is told through the feed, failure included. The updates are those of the run: accumulated,
    clipped and computed like them, with its optimizer's momentum and other settings. All parameter groups keep their
    ratio to the first one, whose lr is the sweep's. Data is gone through in an order of its own, again and again.

    Args:
        setup: what the run trains with, between two steps.
        gradient_scaler: the run's, for fp16; None for a run that has not begun.
        is_called_away: whether something else has to be done; asked before each step.
    """
    ratios = _ratios(setup)
    feed.start = RangeStart(float(setup.optimizer.param_groups[0]["lr"]))
    try:
        with set_aside(setup):
            update = Update(setup)
            if gradient_scaler is not None:
                update.gradient_scaler.load_state_dict(gradient_scaler.state_dict())
            outcome = _sweep(setup, update, sweep, ratios, feed, is_called_away)
        feed.close(RangeEnd(outcome))
    except LrtuiError as error:
        feed.close(RangeEnd("failed", error))
    except Exception as error:  # a user's model or data, and a device, can raise anything
        feed.close(RangeEnd("failed", TaskError(f"the range test broke off: {describe_exception(error)}")))


def why_not_beside_a_run(train: Batches) -> str | None:
    """Return why going through a run's data beside the run would change what it trains on, in words, or None."""
    if train.inexact is None:
        return None
    return f"{train.inexact}: a range test would change what the run goes on with; one on a fresh model is possible"


def _sweep(
    setup: RunSetup,
    update: Update,
    sweep: Sweep,
    ratios: list[float],
    feed: RangeFeed,
    is_called_away: Callable[[], bool],
) -> RangeOutcome:
    curve = RangeCurve(sweep)
    with closing(_endless(setup.train)) as batches:
        for step in range(sweep.steps):
            if feed.is_stopped or is_called_away():
                return "stopped"
            lr = sweep.lr(step)
            for group, ratio in zip(setup.optimizer.param_groups, ratios, strict=True):
                group["lr"] = lr * ratio
            loss, _ = update.make(list(islice(batches, setup.spec.accumulate)))
            # read at once, also where a device waits for it: a loss that has left off ends the test
            curve.add(lr, float(loss))
            feed.publish(lr, curve.losses.last)
            if curve.has_diverged:
                return "diverged"
    return "done"


def _endless(train: Batches) -> Generator[Batch, None, None]:
    """Go through the training data again and again, each pass in a new order."""
    while True:
        one_pass: Any = train.shuffled()
        # closed with this one, so that a loader's processes end with the test
        with closing(one_pass):
            yield from one_pass


def _ratios(setup: RunSetup) -> list[float]:
    """Return each group's lr as a multiple of the first one's: this moment's, or as configured where that is 0."""
    now = [float(group["lr"]) for group in setup.optimizer.param_groups]
    for lrs in (now, list(parse_optimizer(setup.spec.optimizer).lrs)):
        if lrs[0] > 0 and all(math.isfinite(lr) for lr in lrs):
            return [lr / lrs[0] for lr in lrs]
    return [1.0] * len(now)
