"""The range test of a suggestion and its result."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from lrtui.engine.range_test import NO_SCHEDULE, RangeTestThread
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.lr_rules import CLOSE, Suggestions
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import MIN_STEPS, Sweep
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer
from lrtui.tasks.registry import expected_batches_per_epoch
from lrtui.tasks.task import Say
from lrtui.text.format import counted


@dataclass(frozen=True, slots=True)
class RangeTestResult:
    """The result of a range test.

    Args:
        lr: the suggested lr; if the curve is not reliable that of the optimizer, or a lower one that is stable.
        suggestions: the lrs that the rules suggest.
        steps: optimizer steps that it took.
        batches_per_epoch: batches per epoch of the task.
    """

    lr: float
    suggestions: Suggestions
    steps: int
    batches_per_epoch: int

    @property
    def doubt(self) -> str:
        """Why the curve is not reliable, and up to which lr the loss is stable; empty if it is reliable."""
        return self.suggestions.agreement if self.suggestions.suggested is None else ""

    @property
    def rules_agree(self) -> bool:
        """Whether at least two rules suggest an lr, and all within a factor of CLOSE of each other."""
        spread = self.suggestions.spread
        return not self.doubt and spread is not None and spread <= CLOSE

    @property
    def highest(self) -> float:
        """The largest suggestion, or the lr itself if the curve is not reliable."""
        return self.lr if self.doubt else max(self.suggestions.found.values())


FindLr = Callable[[RunSpec, float, Say, Callable[[], bool]], RangeTestResult]
"""Runs a range test. Takes the settings, the budget of the search, a callback for messages, and a callback that
returns whether to stop."""


POLL_SECONDS = 0.05

MAX_BUDGET_SHARE = 0.25
"""Largest share of the budget for a range test; for runs of thousands of steps it takes about 1 %."""


def find_lr(spec: RunSpec, budget: float, say: Say, stopped: Callable[[], bool]) -> RangeTestResult:
    """Run a range test on a fresh model and return its result, partial if it was stopped.

    Args:
        spec: settings of the user; the schedule is ignored.
        budget: budget of the whole search, in full runs.
        say: receives progress messages.
        stopped: returns whether to stop; called repeatedly.

    Raises:
        UsageError: if the budget is too small.
        LrtuiError: if the range test fails or finds no lr, with the reason.
    """
    batches = batches_per_epoch(spec, say)
    test = RangeTestThread(spec, _sweep(budget, spec.total_steps(batches))).start()
    printed = 0
    while not test.feed.wait(POLL_SECONDS):
        for line in test.messages[printed:]:
            printed += 1
            say(line)
        if stopped():
            test.feed.stop()
    curve = test.result()
    # the next run of this process must not start before this thread has ended
    test.join()
    # a range test that was stopped before its first step does not know the lr of its optimizer
    return result_of(curve, batches, test.feed.current_lr or parse_optimizer(spec.optimizer).lr)


def _sweep(budget: float, total_steps: int) -> Sweep:
    """Return the sweep that fits the budget; it is shorter if runs are short."""
    room = int(budget * total_steps * MAX_BUDGET_SHARE)
    if room < MIN_STEPS:
        least = MIN_STEPS / MAX_BUDGET_SHARE / total_steps
        raise UsageError(
            f"--budget {budget:g} is only {counted(int(budget * total_steps), 'step')}: a range test needs "
            f"{MIN_STEPS}, and may use {MAX_BUDGET_SHARE:.0%} of the budget; use {least:.3g} or more"
        )
    return Sweep(steps=min(Sweep().steps, room))


def result_of(curve: RangeCurve, batches_per_epoch: int, own_lr: float) -> RangeTestResult:
    """Return the result for a curve.

    Args:
        curve: curve of the range test.
        batches_per_epoch: batches per epoch of the task.
        own_lr: lr of the optimizer, used if the curve suggests none.

    Raises:
        LrtuiError: if there is no lr at all.
    """
    suggestions = curve.suggest()
    lr = suggestions.suggested
    if lr is None:
        lr = min(own_lr, math.inf if suggestions.stable is None else suggestions.stable)
    if not lr > 0:
        raise LrtuiError(f"the range test found no lr: {suggestions.agreement}; lrtui find shows the curve")
    return RangeTestResult(lr, suggestions, len(curve), batches_per_epoch)


def batches_per_epoch(spec: RunSpec, say: Say) -> int:
    """Return the optimizer steps per epoch; those of a user's task are known once its data has been loaded."""
    expected = expected_batches_per_epoch(spec)
    if expected:
        return expected
    say("importing PyTorch")
    from lrtui.training.run_setup import set_up

    return set_up(replace(spec, schedule=NO_SCHEDULE), lambda _: None).horizon.batches_per_epoch
