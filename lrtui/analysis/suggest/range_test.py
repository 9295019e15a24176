"""The range test of `lrtui find`, as a search uses it: the seam between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lrtui.analysis.suggest.finding import Finding
from lrtui.engine.range_test import NO_SCHEDULE, RangeTestThread
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.range_curve import RangeCurve
from lrtui.run.spec import RunSpec
from lrtui.run.sweep import FEWEST_STEPS, Sweep
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tasks.task import Say

POLL_SECONDS = 0.05

MOST_OF_BUDGET = 0.25
"""What a range test may take of it; of runs of some thousand steps it takes a hundredth."""


def find_lr(spec: RunSpec, budget: float, say: Say, stopped: Callable[[], bool]) -> Finding:
    """Make a range test on a fresh model, and return what it found; of one that was stopped, as far as it came.

    Args:
        spec: the settings as the user gave them; the schedule has no part in it.
        budget: of the whole search, in whole runs; the range test takes a share of it at most.
        say: takes narration, line by line.
        stopped: whether to end it; asked again and again.

    Raises:
        UsageError: for a budget that has no room for it.
        LrtuiError: where it can't be made, or there is no lr to go on with; says why.
    """
    batches = expected_batches_per_epoch(spec) or _batches_per_epoch(spec, say)
    test, told = RangeTestThread(spec, _sweep(budget, spec.epochs * batches)).start(), 0
    while not test.feed.wait(POLL_SECONDS):
        for line in test.said[told:]:
            told += 1
            say(line)
        if stopped():
            test.feed.stop()
    curve = test.result()
    # what comes next in this process waits for its thread
    test.join()
    return finding_of(curve, batches, test.feed.start.own_lr if test.feed.start else 0.0)


def _sweep(budget: float, total_steps: int) -> Sweep:
    """Return the sweep that the budget has room for: the usual one, or a shorter one where runs are short."""
    room = int(budget * total_steps * MOST_OF_BUDGET)
    if room < FEWEST_STEPS:
        least = FEWEST_STEPS / MOST_OF_BUDGET / total_steps
        raise UsageError(
            f"--budget {budget:g} is {int(budget * total_steps):,} steps here, and a range test takes {FEWEST_STEPS}, "
            f"which may be {MOST_OF_BUDGET:.0%} of it: give it {least:.3g} or more"
        )
    return Sweep(steps=min(Sweep().steps, room))


def finding_of(curve: RangeCurve, batches_per_epoch: int, own_lr: float) -> Finding:
    """Return what a curve says.

    Args:
        batches_per_epoch: of the task.
        own_lr: what is gone on with where the curve says nothing.

    Raises:
        LrtuiError: where there is no lr to go on with.
    """
    suggestions = curve.suggest()
    if suggestions.suggested is not None:
        return Finding(suggestions.suggested, suggestions.lrs, len(curve), batches_per_epoch)
    if not own_lr > 0:
        raise LrtuiError(f"the range test finds no lr: {suggestions.agreement}; lrtui find shows the curve")
    return Finding(own_lr, suggestions.lrs, len(curve), batches_per_epoch, suggestions.agreement)


def _batches_per_epoch(spec: RunSpec, say: Say) -> int:
    """Return the optimizer steps an epoch of a user's own task, which only its data tells."""
    say("importing PyTorch")
    from lrtui.training.run_setup import set_up

    return set_up(replace(spec, schedule=NO_SCHEDULE), lambda _: None).horizon.batches_per_epoch
