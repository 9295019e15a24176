"""The schedule to switch to when the current one has ended too early."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.analysis.advice.epoch_records import EpochRecord, epoch_records, improved, mean_lrs_used, peak_lrs_used
from lrtui.run.commands import SwitchSchedule
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats
from lrtui.schedules.notation import parse_optimizer
from lrtui.text.format import two_digits

CLEAR_GAIN = 2.0
"""Multiple of the noise by which a test must improve for the lr of its epoch to count as useful."""

MIN_CYCLE_STEPS = 20
"""Minimum number of remaining steps for a OneCycleLR, whose warm-up takes 0.3 of them."""


def propose_schedule(state: RunState) -> SwitchSchedule:
    """Return the schedule for the rest of the run: one cycle, with a peak estimated from the run.

    The peak is the geometric mean of two lrs. The highest lr of the run may be too high: in the case study, an epoch at
    Adam's lr of 0.01 ends at an accuracy of 0.83, and a cosine from 0.01 at 0.88. The last lr that improved the results
    is too low. A cycle is proposed instead of a decay, because its warm-up lets the optimizer's averages recover from
    the dead lr and its end at almost 0 removes the noise (L. Smith, N. Topin, "Super-Convergence", 2018).
    """
    if state.total_steps - state.step < MIN_CYCLE_STEPS:
        return SwitchSchedule("CosineAnnealingLR()", "base")
    return _one_cycle(state, _peak_lrs(state))


def propose_schedule_for_restart(state: RunState) -> SwitchSchedule:
    """Return the schedule for a new run that replaces this one, whose lrs were too high for the model.

    Its peak is at least half a decade below this run's peak, whatever the later test results were.
    """
    return _one_cycle(state, _rounded(np.minimum(_peak_lrs(state), peak_lrs_used(state) / np.sqrt(10))))


def _one_cycle(state: RunState, lrs: Floats) -> SwitchSchedule:
    if state.started is None or not len(lrs) or not np.all(lrs > 0):
        return SwitchSchedule("CosineAnnealingLR()", "base")
    max_lr = f"{lrs[0]:g}" if len(lrs) == 1 else f"[{', '.join(f'{lr:g}' for lr in lrs)}]"
    # without a momentum to cycle, OneCycleLR adds one to SGD and fails with other optimizers
    has_momentum = parse_optimizer(state.started.spec.optimizer).has_momentum
    momentum = "" if has_momentum else ", cycle_momentum=False"
    return SwitchSchedule(f"OneCycleLR(max_lr={max_lr}{momentum})", "base")


def _peak_lrs(state: RunState) -> Floats:
    """Return the geometric mean of the highest lr and the last useful lr, to two digits, per parameter group.

    If no test shows that an lr was useful, return the lr that the run started with.
    """
    first = np.asarray(state.started.group_lrs if state.started else (), dtype=np.float64)
    tests = epoch_records(state)
    useful = _last_useful_epoch(tests)
    if useful is None:
        return first
    ends = {item.epoch.epoch: item.epoch.step for item in tests}
    start = ends.get(useful.epoch.epoch - 1, state.first_step)
    return _rounded(np.sqrt(peak_lrs_used(state) * mean_lrs_used(state, start, useful.epoch.step)))


def _rounded(lrs: Floats) -> Floats:
    return np.array([two_digits(float(lr)) for lr in lrs])


def _last_useful_epoch(tests: Sequence[EpochRecord]) -> EpochRecord | None:
    """Return the last epoch whose test was clearly better than all earlier ones."""
    useful = None
    for index in range(1, len(tests)):
        best = max(tests[:index], key=lambda item: (item.result.accuracy or 0.0, -item.result.loss))
        if improved([best], [tests[index]], noise=CLEAR_GAIN):
            useful = tests[index]
    return useful
