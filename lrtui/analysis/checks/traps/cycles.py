"""OneCycleLR and CyclicLR: cycles that do not fit the run, and their effect on the optimizer."""

from __future__ import annotations

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import change, fits, with_run_length
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.text.format import counted, four_digits, two_digits

ORDER = 50

ENDS_HIGH = 0.01
"""Largest share of its peak that the last lr of a run with OneCycleLR should have."""

ONE_CYCLE_LRS = "0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08"


def _whole_cycles(context: ScheduleContext) -> list[Part]:
    """Return the parts that raise the lr to a peak of their own and lower it, once."""
    return [part for part in context.parts if part.entry.absolute and part.entry.length_argument and part.lowers]


@trap(
    "cycle-too-short",
    "OneCycleLR ends before the run does",
    Example(
        "OneCycleLR(max_lr=0.003, epochs=5, steps_per_epoch=938)",
        "OneCycleLR(max_lr=0.003)",
        "0.00012 0.0023 0.0029 0.0018 0.00056 1.2e-08 1.2e-08 1.2e-08 1.2e-08 1.2e-08 | 1.2e-08",
        ONE_CYCLE_LRS,
    ),
)
def cycle_too_short(context: ScheduleContext) -> Problem | None:
    """After total_steps PyTorch raises ValueError ("Tried to step N times"), in the middle of training; lrtui holds the
    last lr instead. Leave out total_steps: lrtui fills in the number of steps in the run.

    Threads: pytorch/pytorch#38170, flairNLP/flair#2954.
    """
    for part in _whole_cycles(context):
        length = part.schedule.length or 0
        # lrtui builds a subclass (`stepped_as`) only for a class that raises an error when stepped past its end
        if length >= part.calls or not part.entry.stepped_as:
            continue
        return Problem(
            f"the cycle has {context.calls_text(length)} but the run has {part.calls:,}: after the cycle PyTorch "
            f"raises ValueError (Tried to step {length + 1:,} times), while lrtui holds the last lr",
            [with_run_length(context, [part]), *fits(context)],
        )
    return None


@trap(
    "cycle-too-long",
    "the run ends before OneCycleLR does",
    Example(
        "OneCycleLR(max_lr=0.003, total_steps=20000)",
        "OneCycleLR(max_lr=0.003)",
        "0.00012 0.00029 0.00076 0.0014 0.0021 0.0027 0.003 0.003 0.0029 0.0028 | 0.0026",
        ONE_CYCLE_LRS,
    ),
)
def cycle_too_long(context: ScheduleContext) -> Problem | None:
    """The part that makes the cycle work, the long decay to almost 0, is cut off. Leave out total_steps: lrtui fills in
    the number of steps in the run.
    """
    for part in _whole_cycles(context):
        length = part.schedule.length or 0
        # `share` is of the whole schedule, since other schedulers may change the lr as well
        if length <= part.calls or part.calls < 1 or not context.is_finite or context.share[-1] <= ENDS_HIGH:
            continue
        return Problem(
            f"the cycle has {context.calls_text(length)}, but the run has {part.calls:,}: the lr ends at "
            f"{four_digits(context.last)}, {100 * context.share[-1]:.0f} % of the peak",
            [with_run_length(context, [part]), *fits(context)],
        )
    return None


@trap(
    "no-way-down",
    "a cycle leaves too little time to lower the lr",
    Example(
        "OneCycleLR(max_lr=0.003, pct_start=0.95)",
        "OneCycleLR(max_lr=0.003)",
        "0.00012 0.0002 0.00042 0.00077 0.0012 0.0017 0.0021 0.0025 0.0028 0.003 | 1.2e-08",
        ONE_CYCLE_LRS,
    ),
)
def no_way_down(context: ScheduleContext) -> Problem | None:
    """With pct_start close to 1 (or close to 0.5 with three_phase) there is hardly any time left to lower the lr, the
    part of a cycle that improves the model most. PyTorch's default is 0.3.
    """
    for part in context.parts_with("pct_start", "three_phase"):
        share, three_phase = part.get("pct_start"), part.get("three_phase")
        if share <= (0.5 if three_phase else 0.9) or part.calls < 4:
            continue
        left = max(0.0, 1 - (2 * share if three_phase else share))
        return Problem(
            f"pct_start={share:g} leaves {100 * left:.0f} % of the cycle to lower the lr, the part that improves the "
            "model most",
            [change(context, [part], pct_start=None)],
        )
    return None


@trap(
    "cycle-unfinished",
    "the run ends within the first cycle of CyclicLR",
    Example(
        "CyclicLR(base_lr=0.0001, max_lr=0.003)",
        "CyclicLR(base_lr=0.0001, max_lr=0.003, step_size_up=1407)",
        "0.0001 0.0015 0.0028 | 0.0018",
        "0.0001 0.002 0.002 | 0.0001",
        epochs=3,
    ),
)
def cycle_unfinished(context: ScheduleContext) -> Problem | None:
    """The default half cycle has 2000 batches, which is more than a short run has: the lr only rises. A half cycle of
    two to ten epochs is usual (L. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.2),
    and the run should consist of whole cycles.
    """
    for part in context.parts_with("step_size_up", "step_size_down"):
        up = part.get("step_size_up")
        down = part.get("step_size_down") or up
        # two equal halves can't use up an odd number of steps
        if up + down <= part.calls + 1 or part.calls < 1 or not context.is_finite:
            continue
        effect = "never reaches max_lr" if up >= part.calls else "does not return to base_lr"
        return Problem(
            f"a cycle raises the lr for {context.calls_text(up)} and lowers it for {down:,}, but the run has "
            f"{part.calls:,}: the lr {effect}",
            fits(context),
        )
    return None


@trap(
    "upside-down",
    "the lowest lr is above the highest",
    Example(
        "CosineAnnealingLR(eta_min=0.1)",
        "CosineAnnealingLR()",
        "0.01 0.012 0.019 0.029 0.041 0.055 0.069 0.081 0.091 0.098 | 0.098",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
    ),
)
def upside_down(context: ScheduleContext) -> Problem | None:
    """base_lr is above max_lr, or eta_min is above the optimizer's lr: the curve is inverted."""
    for part in context.parts:
        lows, peaks = part.entry.lrs("low"), part.entry.lrs("peak")
        if not lows or not peaks:
            continue
        low, high = part.get(lows[0].name), part.get(peaks[0].name)
        if isinstance(low, tuple) or isinstance(high, tuple) or low <= high:
            continue
        return Problem(
            f"{lows[0].name}={low:g} is above {peaks[0].name}={high:g}: the cycle is inverted, and so is its momentum",
            [change(context, [part], **{lows[0].name: high, peaks[0].name: low})],
        )
    for part in context.parts:
        if part.entry.follows_metric or part.calls < 2:
            continue
        for floor in part.entry.lrs("floor"):
            given, base = part.get(floor.name), max(context.base_lrs)
            floors = given if isinstance(given, tuple) else (given,) * len(context.base_lrs)
            pairs = enumerate(zip(context.base_lrs, floors, strict=False))
            group = next((group for group, (lr, low) in pairs if 0 < lr < low), None)
            if 0 < base <= min(floors):
                cause = f"{floor.name}={min(floors):g} is not below the optimizer's lr, {base:g}"
            elif group is not None:
                cause = f"{floor.name}={floors[group]:g} is above the lr of {context.group_text(group)}"
            else:
                continue
            return Problem(
                f"{cause}: the lr rises where it should fall", [change(context, [part], **{floor.name: None})]
            )
    return None


@trap(
    "brings-momentum",
    "a cycle sets a momentum although the optimizer has none",
    Example(
        "OneCycleLR(max_lr=0.1)",
        "OneCycleLR(max_lr=0.1, cycle_momentum=False)",
        "0.004 0.028 0.076 0.1 0.095 0.081 0.061 0.039 0.019 0.0049 | 4e-07",
        "0.004 0.028 0.076 0.1 0.095 0.081 0.061 0.039 0.019 0.0049 | 4e-07",
        optimizer="SGD(lr=0.1)",
    ),
)
def brings_momentum(context: ScheduleContext) -> Problem | None:
    """CyclicLR and OneCycleLR set the momentum (0.8 to 0.9, and 0.85 to 0.95), even if the optimizer was configured
    without momentum, and leave it set when they end. cycle_momentum=False leaves the momentum unchanged.
    """
    optimizer = context.optimizer
    if optimizer.momentum_argument != "momentum" or optimizer.has_momentum:
        return None
    cycles = [part for part in context.parts if part.entry.cycles_momentum and part.get("cycle_momentum")]
    if not cycles:
        return None
    low, high = cycles[0].get("base_momentum"), cycles[0].get("max_momentum")
    between = "" if isinstance(low, tuple) or isinstance(high, tuple) else f" between {low:g} and {high:g}"
    return Problem(
        f"{optimizer.name} is configured without momentum, but {cycles[0].name} sets one{between}, which makes "
        "every step larger",
        [change(context, cycles, cycle_momentum=False)],
    )


@trap(
    "groups-flattened",
    "all parameter groups get the same lr",
    Example(
        "OneCycleLR(max_lr=0.003)",
        "OneCycleLR(max_lr=[0.003, 0.0003])",
        ONE_CYCLE_LRS,
        ONE_CYCLE_LRS,
        optimizer='Adam(lr=0.01, groups={"fc*": {"lr": 0.001}})',
    ),
)
def groups_flattened(context: ScheduleContext) -> Problem | None:
    """max_lr, base_lr and swa_lr replace the lr of every parameter group. A list keeps the groups apart: one entry for
    each group.
    """
    lrs = context.base_lrs
    trained = [lr for lr in lrs if lr > 0]
    if len(set(lrs)) < 2 or not trained:
        return None
    for part in context.parts:
        names = [lr.name for lr in part.entry.lrs("low", "peak", "end") if not isinstance(part.get(lr.name), tuple)]
        if not names:
            continue
        fixes = []
        # PyTorch refuses a list with a 0
        if len(trained) == len(lrs):
            lists = {name: tuple(two_digits(part.get(name) * lr / lrs[0]) for lr in lrs) for name in names}
            fixes = [change(context, [part], **lists)]
        return Problem(
            f"{names[-1]}={part.get(names[-1]):g} applies to all {counted(len(lrs), 'parameter group')} and replaces "
            f"their own lrs ({', '.join(four_digits(lr) for lr in lrs)})",
            fixes,
        )
    return None
