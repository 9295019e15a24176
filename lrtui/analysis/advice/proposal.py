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
"""How many times the noise a test has to improve for the lr of its epoch to count as useful."""

MIN_CYCLE_STEPS = 20
"""Remaining steps below which OneCycleLR does not fit: its warm-up takes 0.3 of them."""


def propose_schedule(state: RunState) -> SwitchSchedule:
    """Return the schedule for the rest of the run: one cycle, with a peak estimated from the run.

    The run's first peak may have been too high (in the case study Adam's 0.01 is: an epoch at it ends at an accuracy of
    0.83, and a cosine from there at 0.88). The last useful lr is too low: at its height it did the little that was
    left. The peak is their geometric mean. It is a cycle rather than a decay because the warm-up lets the optimizer's
    averages recover from the dead lr, and the end at almost 0 removes the noise (L. Smith, N. Topin,
    "Super-Convergence", 2018).
    """
    if state.total_steps - state.step < MIN_CYCLE_STEPS:
        return SwitchSchedule("CosineAnnealingLR()", "base")
    return _one_cycle(state, _peak_lrs(state))


def propose_schedule_for_restart(state: RunState) -> SwitchSchedule:
    """Return the schedule for a new run, because the lrs of this one were too high for its model.

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

    Where no test shows that an lr was useful, it is the lr that the run started with.
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
    """Return the last epoch whose test was clearly better than the best before it."""
    useful = None
    for index in range(1, len(tests)):
        best = max(tests[:index], key=lambda item: (item.result.accuracy or 0.0, -item.result.loss))
        if improved([best], [tests[index]], noise=CLEAR_GAIN):
            useful = tests[index]
    return useful
