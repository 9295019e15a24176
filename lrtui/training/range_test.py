"""The range test: the lr rises step by step until the loss diverges, then everything is restored.

L. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from typing import Any

import torch

from lrtui.run.errors import LrtuiError, TaskError, describe_exception
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeEnd, RangeFeed, RangeOutcome, Sweep
from lrtui.schedules.notation import parse_optimizer
from lrtui.training.batches import Batch, Batches
from lrtui.training.optimizer_step import OptimizerStep
from lrtui.training.run_setup import RunSetup
from lrtui.training.state_snapshot import state_restored_afterwards


def range_test(
    setup: RunSetup,
    sweep: Sweep,
    feed: RangeFeed,
    *,
    gradient_scaler: torch.amp.GradScaler | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run a range test from the current state of a run, and restore that state bit-identically.

    Everything that happens, failure included, is published through the feed. The steps are those of the run:
    accumulated, clipped and in its precision, with its optimizer's momentum and other settings. The sweep sets the lr
    of the first parameter group that is not frozen at lr 0; the others keep their ratio to it. The data is shuffled
    independently of the run's order and repeated as often as needed.

    Args:
        setup: setup of the run, between two steps.
        gradient_scaler: the run's, for fp16; None if no run has started.
        should_stop: called before each step.
    """
    in_use, shares = _lr_shares(setup)
    first = float(setup.optimizer.param_groups[0]["lr"])
    # 0 if all groups are frozen, although the sweep then uses the configured lrs
    feed.current_lr = first or (in_use if any(group["lr"] for group in setup.optimizer.param_groups) else 0.0)
    try:
        with state_restored_afterwards(setup):
            step = OptimizerStep(setup)
            if gradient_scaler is not None:
                step.gradient_scaler.load_state_dict(gradient_scaler.state_dict())
            outcome = _sweep(setup, step, sweep, shares, feed, should_stop)
        feed.close(RangeEnd(outcome))
    except LrtuiError as error:
        feed.close(RangeEnd("failed", error))
    except Exception as error:  # a user's model or data, or a device, can raise anything
        feed.close(RangeEnd("failed", TaskError(f"the range test failed: {describe_exception(error)}")))


def why_not_during_a_run(train: Batches) -> str | None:
    """Return why drawing from a run's data would change what it trains on, or None if it wouldn't."""
    if train.inexact is None:
        return None
    return f"{train.inexact}: a range test would change the data of this run; run one on a fresh model instead"


def _sweep(
    setup: RunSetup,
    step: OptimizerStep,
    sweep: Sweep,
    shares: list[float],
    feed: RangeFeed,
    should_stop: Callable[[], bool],
) -> RangeOutcome:
    curve = RangeCurve(sweep)
    with closing(_endless(setup.train)) as batches:
        for number in range(sweep.steps):
            if feed.is_stopped or should_stop():
                return "stopped"
            lr = sweep.lr(number)
            for group, share in zip(setup.optimizer.param_groups, shares, strict=True):
                group["lr"] = lr * share
            loss, _, _ = step.forward_backward(list(islice(batches, setup.spec.accumulate)))
            step.update_weights()
            # read immediately, although a device waits for it: a diverged loss ends the test
            curve.add(lr, float(loss))
            feed.publish(lr, curve.losses.last)
            if curve.has_diverged:
                return "diverged"
    return "done"


def _endless(train: Batches) -> Generator[Batch, None, None]:
    """Go through the training data repeatedly, each pass in a new order."""
    while True:
        one_pass: Any = train.shuffled()
        # closed together with this generator, so that a loader's worker processes end with the test
        with closing(one_pass):
            yield from one_pass


def _lr_shares(setup: RunSetup) -> tuple[float, list[float]]:
    """Return the lr in use, and each parameter group's lr as a multiple of it.

    The lr in use is that of the first group whose lr is not 0: a group at 0 is frozen, and stays so. If all are at 0,
    the configured lrs count.
    """
    now = [float(group["lr"]) for group in setup.optimizer.param_groups]
    for lrs in (now, list(parse_optimizer(setup.spec.optimizer).lrs)):
        in_use = next((lr for lr in lrs if lr > 0), None)
        if in_use is not None and all(math.isfinite(lr) for lr in lrs):
            return in_use, [lr / in_use for lr in lrs]
    return 0.0, [1.0] * len(now)
