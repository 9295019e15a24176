"""ReduceLROnPlateau: settings with which it never lowers the lr, or lowers it when it should not."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import change
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.run.errors import LrtuiError
from lrtui.schedules.schedule import Schedule, value_text
from lrtui.schedules.simulate import simulate
from lrtui.text.format import counted, two_digits

ORDER = 100

METRICS = {"min": "loss", "max": "accuracy"}
"""The metric that belongs to each mode."""

MAX_THRESHOLD = 0.5
"""A threshold that no training run meets: every epoch would have to improve on the best value by half."""

MIN_FACTOR = 1e-3
"""A cut by this factor or less leaves an lr that is too low to train."""


def _plateaus(context: ScheduleContext) -> list[Part]:
    """Return the parts that cut the lr once their metric has stopped improving."""
    return [part for part in context.parts_with("patience", "factor") if part.entry.follows_metric]


@trap(
    "plateau-mode",
    "mode does not match the metric",
    Example(
        'ReduceLROnPlateau(patience=1, metric="accuracy")',
        'ReduceLROnPlateau(mode="max", patience=1)',
    ),
)
def plateau_mode(context: ScheduleContext) -> Problem | None:
    """ReduceLROnPlateau expects the metric to fall (mode="min") or to rise (mode="max"). With the wrong mode
    improvements are not recognized, and the lr is cut while training goes well.
    """
    for part in _plateaus(context):
        mode, metric = part.get("mode"), part.schedule.metric
        if metric not in METRICS.values() or METRICS[mode] == metric:
            continue
        right, better = ("min", "lower") if metric == "loss" else ("max", "higher")
        return Problem(
            f'mode="{mode}" cuts the lr while the {metric} improves, and never while it gets worse: a {better} '
            f"{metric} is better",
            [context.schedule.with_arguments(mode=None if right == "min" else right)],
        )
    return None


@trap(
    "plateau-threshold",
    "no result exceeds the threshold, or every result does",
    Example("ReduceLROnPlateau(patience=1, threshold=0.9)", "ReduceLROnPlateau(patience=1)"),
)
def plateau_threshold(context: ScheduleContext) -> Problem | None:
    """The threshold is a share of the best value (threshold_mode="rel") or a difference ("abs"). If it is too high,
    every epoch counts as a plateau; if it is negative, a worse result counts as an improvement. While the metric
    itself is negative, as a log-likelihood is, a relative threshold never cuts: use threshold_mode="abs".
    """
    for part in _plateaus(context):
        threshold, relative = part.get("threshold"), part.get("threshold_mode") == "rel"
        if threshold < 0:
            message = f"threshold={threshold:g} counts a worse result as an improvement: the lr is hardly ever cut"
        elif relative and threshold >= MAX_THRESHOLD:
            better = f"{100 * threshold:.0f} % better than the last"
            message = f"threshold={threshold:g} requires each new best result to be {better}"
        elif not relative and part.schedule.metric == "accuracy" and threshold >= MAX_THRESHOLD:
            message = (
                f"threshold={threshold:g} requires each improvement in accuracy to be at least {threshold:g}; accuracy "
                "is at most 1"
            )
        else:
            continue
        return Problem(message, [change(context, [part], threshold=None)])
    return None


@trap(
    "plateau-never-cuts",
    "the lr is never cut in a run of this length",
    Example("ReduceLROnPlateau()", "ReduceLROnPlateau(patience=2)"),
)
def plateau_never_cuts(context: ScheduleContext) -> Problem | None:
    """ReduceLROnPlateau waits for patience epochs after the best one and cuts the lr in the next. In a shorter run the
    lr is never cut, nor is an lr at or below min_lr.
    """
    for part in _plateaus(context):
        floors, uncut = _floors(context, part), _uncut_groups(context)
        base = max(context.base_lrs)
        if base <= 0 or not uncut:
            continue
        held = [group for group in uncut if 0 < context.base_lrs[group] <= floors[group]]
        if len(uncut) == len(context.base_lrs):
            return Problem(f"{_reason(context, part, floors)}: the lr is never cut", _with_cuts(context, part))
        if held:
            lower = tuple(
                two_digits(context.base_lrs[group] / 100) if group in held else floor
                for group, floor in enumerate(floors)
            )
            return Problem(
                f"min_lr={floors[held[0]]:g} is not below the lr of {context.group_text(held[0])}, which is never cut",
                [change(context, [part], min_lr=lower)],
            )
    return None


def _floors(context: ScheduleContext, part: Part) -> tuple[float, ...]:
    """Return the min_lr of each parameter group."""
    floor = part.get("min_lr")
    return tuple(floor) if isinstance(floor, tuple) else (floor,) * len(context.base_lrs)


def _uncut_groups(context: ScheduleContext) -> list[int]:
    """Return the parameter groups whose lr is not cut even if the metric never improves after the first epoch."""
    results = [{str(context.schedule.metric): 1.0}] * context.calls
    try:
        lrs = simulate(context.schedule, context.optimizer, context.horizon, base_lrs=context.base_lrs, metrics=results)
    except LrtuiError:
        return []
    return np.flatnonzero((lrs == lrs[0]).all(axis=0)).tolist()


def _reason(context: ScheduleContext, part: Part, floors: tuple[float, ...]) -> str:
    patience = part.get("patience")
    if all(floor >= lr for floor, lr in zip(floors, context.base_lrs, strict=True) if lr > 0):
        return f"min_lr={value_text(part.get('min_lr'))} is not below the optimizer's lr, {max(context.base_lrs):g}"
    # the first result is the best; the lr is cut after more than `patience` results that are not better
    if patience + 2 >= context.calls:
        return (
            f"with patience={patience:,} the first cut comes after epoch {patience + 2:,} at the earliest, but the run "
            f"has {counted(context.calls, 'epoch')}"
        )
    return f"every cut is smaller than eps={part.get('eps'):g}"


def _with_cuts(context: ScheduleContext, part: Part) -> list[Schedule]:
    patience, shorter = part.get("patience"), max(0, context.calls // 5)
    return [
        change(context, [part], patience=max(0, min(patience, shorter))),
        change(context, [part], min_lr=two_digits(max(context.base_lrs) / 100)),
        change(context, [part], eps=None),
        change(context, [part], patience=shorter, min_lr=None, eps=None),
    ]


@trap(
    "plateau-factor",
    "the first cut ends training",
    Example("ReduceLROnPlateau(factor=0.0001, patience=2)", "ReduceLROnPlateau(patience=2)"),
)
def plateau_factor(context: ScheduleContext) -> Problem | None:
    """The first cut multiplies the lr by factor. A thousandth of the lr is too low to train; 0.1 to 0.5 is usual."""
    for part in _plateaus(context):
        factor = part.get("factor")
        if factor > MIN_FACTOR or max(_floors(context, part)) > 0:
            continue
        return Problem(
            f"factor={factor:g} cuts the lr to {factor:g} of its value: the first cut ends training",
            [change(context, [part], factor=None)],
        )
    return None
