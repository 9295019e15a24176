"""Which schedule to switch to where the one in force has ended too early."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.analysis.advice.epoch_results import EpochResult, epoch_results, gained
from lrtui.analysis.advice.lr_used import means, peaks
from lrtui.analysis.advice.remaining import Floats
from lrtui.run.commands import SwitchSchedule
from lrtui.run.state import RunState
from lrtui.text.numbers import two_digits

MARKED = 2.0
"""How many times the noise a test must gain for its epoch's lr to count as one that did some good."""

SHORTEST = 20
"""Steps below which no cycle fits: the warm-up of OneCycleLR is 0.3 of them."""


def propose_schedule(state: RunState) -> SwitchSchedule:
    """Return the schedule for what remains of the run: one cycle, up to a peak that the run itself tells.

    The peak that the run began with may have been too high for the model (in the case study Adam's 0.01 is: an epoch
    of it ends at 0.83, and a cosine from there at 0.88). The last lr that did some good is too low: at its height it
    did the little that was left for it. Between the two, on the scale that lrs live on, lies their geometric mean.
    A cycle and no mere decay: its warm-up lets an optimizer whose averages were made at a dead lr come to itself, and
    its end at nothing takes the noise out (L. Smith, N. Topin, "Super-Convergence", 2018).
    """
    if state.total_steps - state.step < SHORTEST:
        return SwitchSchedule("CosineAnnealingLR()", "base")
    return _one_cycle(state, peak_lrs(state))


def propose_anew(state: RunState) -> SwitchSchedule:
    """Return the schedule for a run that begins anew, since the lrs of this one were too high for its model.

    Half a decade below its peak at least, whatever the tests made of what came after that.
    """
    return _one_cycle(state, _two_digits(np.minimum(peak_lrs(state), peaks(state) / np.sqrt(10))))


def _one_cycle(state: RunState, lrs: Floats) -> SwitchSchedule:
    if not len(lrs) or not np.all(lrs > 0):
        return SwitchSchedule("CosineAnnealingLR()", "base")
    words = f"{lrs[0]:g}" if len(lrs) == 1 else f"[{', '.join(f'{lr:g}' for lr in lrs)}]"
    more = "" if _has_momentum(state) else ", cycle_momentum=False"
    return SwitchSchedule(f"OneCycleLR(max_lr={words}{more})", "base")


def peak_lrs(state: RunState) -> Floats:
    """Return for each parameter group the geometric mean, to two digits, of its highest lr and its last useful one.

    Where no test tells of an lr that did some good, it is the lr that the run began with.
    """
    first = np.asarray(state.started.group_lrs if state.started else (), dtype=np.float64)
    tests = epoch_results(state)
    useful = last_useful_epoch(tests)
    if useful is None:
        return first
    ends = {item.epoch.epoch: item.epoch.step for item in tests}
    begin = ends.get(useful.epoch.epoch - 1, state.first_step)
    return _two_digits(np.sqrt(peaks(state) * means(state, begin, useful.epoch.step)))


def _two_digits(lrs: Floats) -> Floats:
    return np.array([two_digits(float(lr)) for lr in lrs])


def last_useful_epoch(tests: Sequence[EpochResult]) -> EpochResult | None:
    """Return the last epoch whose test was markedly better than the best before it; None where no test tells."""
    useful = None
    for index in range(1, len(tests)):
        best = max(tests[:index], key=lambda item: (item.result.accuracy or 0.0, -item.result.loss))
        if gained([best], [tests[index]], noise=MARKED):
            useful = tests[index]
    return useful


def _has_momentum(state: RunState) -> bool:
    """Say whether there is a momentum that OneCycleLR can cycle; where there is none it would bring one, or fail."""
    from lrtui.schedules.notation import parse_optimizer

    if state.started is None:
        return False
    optimizer = parse_optimizer(state.started.spec.optimizer)
    names = {parameter.name: parameter.default for parameter in optimizer.entry.parameters}
    return "betas" in names or bool(optimizer.arguments.get("momentum", names.get("momentum", 0)))
