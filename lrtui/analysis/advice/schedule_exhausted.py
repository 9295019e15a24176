"""Schedule exhausted: the remaining lr is too low to train the model any further."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import EpochRecord, epoch_records, improved, mean_lrs_used, peak_lrs_used
from lrtui.run.commands import SwitchSchedule
from lrtui.run.evaluations import is_finite
from lrtui.run.events import DeadLayer, EpochDone
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, RemainingLrs
from lrtui.schedules.lr_curve import DEAD_SHARE, MIN_DEAD_SHARE, ROUNDING
from lrtui.schedules.notation import parse_optimizer
from lrtui.text.format import counted, four_digits, two_digits

DEAD_UNITS = 0.75
"""Share of dead units from which a layer limits the whole network. In the case study an epoch at an lr of 0.01 leaves 3
to 9 of the 64 channels of the second convolution alive (five seeds). A run with 3 live channels reached an accuracy of
at most 0.893 with every max_lr from 0.001 to 0.01; a new run over the remaining seven epochs reached 0.927."""

MIN_UNITS = 8
"""Layers with fewer units are ignored: a single dead output does not limit a network."""

MIN_SHARE_LEFT = 0.5
"""Minimum remaining share of the run for a restart, since the new run has only the remaining steps."""

CLEAR_GAIN = 2.0
"""Multiple of the noise by which a test must improve for the lr of its epoch to count as useful."""

MIN_CYCLE_STEPS = 20
"""Minimum number of remaining steps for a OneCycleLR, whose warm-up takes 0.3 of them."""


def schedule_exhausted(state: RunState, remaining: RemainingLrs) -> Advice | None:
    """Return the advice for a run whose remaining lr is too low while the test results no longer improve.

    Call it when an epoch has ended. The remaining lr is not higher than that of the last epoch, so if the last epoch
    did not improve the test result by more than noise, the remaining epochs won't either.
    """
    tests, left = epoch_records(state, 2), state.total_steps - state.step
    # a single wasted step does not matter, however short the run
    if len(tests) < 2 or left < max(2, MIN_DEAD_SHARE * state.total_steps) or tests[-1].is_perfect:
        return None
    if improved(tests[-2:-1], tests[-1:]):
        return None
    lrs = remaining(state)
    if lrs is None or not len(lrs):
        return None
    switch = state.last_switch
    highest = lrs.max(axis=0)
    peak = np.maximum(peak_lrs_used(state, switch.step if switch else 0), highest)
    if np.any(highest > DEAD_SHARE * peak * (1 + ROUNDING)) or not np.any(peak > 0):
        return None
    what, brief = _remaining_text(lrs, float(peak.max()))
    steps = f"{left:,} of {counted(state.total_steps, 'step')}"
    text = f"in the remaining {steps} {what}, and the test result no longer improves"
    command, epochs = propose_schedule(state), None
    effect = f"switches to {command.schedule}"
    if layer := _dead_layer(state, tests[-1].epoch):
        command, epochs = propose_schedule_for_restart(state), _epochs_left(state, tests[-1].epoch)
        text += f"; {layer.dead} of the {layer.units} units of layer {layer.name} get no gradient at any lr"
        brief = f"most of layer {layer.name} is dead, and no lr can revive it"
        effect = f"restarts with {command.schedule} for {counted(epochs, 'epoch')}"
    return Advice(
        code="schedule-exhausted",
        title="schedule exhausted",
        brief=brief,
        text=text,
        action="schedule",
        effect=effect,
        command=command,
        step=state.step,
        changes=len(state.changes),
        restart_epochs=epochs,
    )


def _remaining_text(lrs: Floats, peak: float) -> tuple[str, str]:
    """Return what is wrong with the remaining lrs, with and without figures."""
    highest, lowest = float(lrs.max()), float(lrs.min())
    if lowest < 0:
        falls = "is negative" if highest < 0 else "falls below 0"
        return f"the lr {falls} ({four_digits(lowest)}), which increases the loss", "the remaining lr is negative"
    brief = "the remaining lr is too low to train"
    if highest == 0:
        return "the lr is 0", brief
    return f"the lr is {four_digits(highest)} or lower, a thousandth of its peak {four_digits(peak)}", brief


def _dead_layer(state: RunState, epoch: EpochDone) -> DeadLayer | None:
    """Return the dead layer because of which a restart is better than the rest of the run; None if there is none."""
    layer = epoch.dead_layer
    if layer is None or layer.units < MIN_UNITS or layer.share < DEAD_UNITS:
        return None
    return layer if state.total_steps - epoch.step >= MIN_SHARE_LEFT * state.total_steps else None


def _epochs_left(state: RunState, epoch: EpochDone) -> int:
    return (state.total_steps - epoch.step) // state.started.batches_per_epoch if state.started else 0


# -- the schedule for the rest of the run ------------------------------------------------------------------------------


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


def propose_schedule_for_next(state: RunState) -> SwitchSchedule:
    """Return the schedule for a run like this one from its start, after the fact.

    If the optimizer is unknown, as for a log, so is whether it has the momentum that a cycle changes.
    """
    started = state.started
    if started is None or (not started.settings_known and started.spec.optimizer == RunSpec().optimizer):
        return SwitchSchedule("CosineAnnealingLR()", "base")
    return _one_cycle(state, _peak_lrs(state))


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
        best = max(tests[:index], key=_merit)
        if improved([best], [tests[index]], noise=CLEAR_GAIN):
            useful = tests[index]
    return useful


def _merit(test: EpochRecord) -> tuple[float, float]:
    """Return a key that is highest for the best test; a value that is not finite is never the best."""
    merit, loss = test.merit, test.result.loss
    return merit if is_finite(merit) else -math.inf, -loss if is_finite(loss) else -math.inf
