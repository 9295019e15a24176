"""ReduceLROnPlateau: what keeps it from ever acting, and what makes it act always."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed
from lrtui.analysis.checks.part import Place
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.run.errors import LrtuiError
from lrtui.schedules.schedule import value_text
from lrtui.schedules.simulate import simulate
from lrtui.text.format import counted
from lrtui.text.numbers import two_digits

WATCHES = {"min": "loss", "max": "accuracy"}
"""What each mode is for."""

MOST_THRESHOLD = 0.5
"""An improvement by half of the best value, epoch after epoch, is what no training makes."""

LEAST_FACTOR = 1e-3
"""One cut by more, and what is left moves nothing."""


def _mode(plan: Plan) -> Sighting | None:
    schedule = plan.schedule
    for place in plan.named("ReduceLROnPlateau"):
        mode, metric = place.get("mode"), place.schedule.metric
        if metric not in WATCHES.values() or WATCHES[mode] == metric:
            continue
        right = next(name for name, watched in WATCHES.items() if watched == metric)
        better = "lower" if right == "min" else "higher"
        return Sighting(
            f'mode="{mode}" cuts the lr while the {metric} gets better, and never while it gets worse: a {better} '
            f"{metric} is the better one",
            [schedule.with_arguments(mode=None if right == "min" else right)],
        )
    return None


def _threshold(plan: Plan) -> Sighting | None:
    for place in plan.named("ReduceLROnPlateau"):
        threshold, relative = place.get("threshold"), place.get("threshold_mode") == "rel"
        if threshold < 0:
            words = (
                f"threshold={threshold:g} takes a result that is worse for an improvement: the lr is hardly ever cut"
            )
        elif relative and threshold >= MOST_THRESHOLD:
            words = f"threshold={threshold:g} wants each best to be {100 * threshold:.0f} % better than the last"
        elif not relative and place.schedule.metric == "accuracy" and threshold >= MOST_THRESHOLD:
            words = (
                f"threshold={threshold:g} wants each best accuracy to be that much above the last, which is 1 at most"
            )
        else:
            continue
        return Sighting(words, [changed(plan, [place], threshold=None)])
    return None


def _never_cuts(plan: Plan) -> Sighting | None:
    for place in plan.named("ReduceLROnPlateau"):
        patience, base = place.get("patience"), max(plan.base_lrs)
        floors, still = _floors(plan, place), _still(plan)
        if base <= 0 or not still:
            continue
        held = [group for group in still if 0 < plan.base_lrs[group] <= floors[group]]
        if len(still) < len(plan.base_lrs):
            # the others are cut
            if not held:
                continue
            return _held_group(plan, place, held, floors)
        if all(floor >= lr for floor, lr in zip(floors, plan.base_lrs, strict=True) if lr > 0):
            words = f"min_lr={value_text(place.get('min_lr'))} is not below the optimizer's lr, {base:g}"
        elif patience + 2 >= plan.calls:
            # the first result is the best one; the lr is cut after one more than patience that are no better
            words = (
                f"with patience={patience:,} the first cut would come after epoch {patience + 2:,} at the earliest, "
                f"and the run has {counted(plan.calls, 'epoch')}"
            )
        else:
            words = f"no cut is as large as eps={place.get('eps'):g}"
        return Sighting(
            f"{words}: the lr is never cut",
            [
                changed(plan, [place], patience=max(0, min(patience, plan.calls // 5))),
                changed(plan, [place], min_lr=two_digits(base / 100)),
                changed(plan, [place], eps=None),
                changed(plan, [place], patience=max(0, plan.calls // 5), min_lr=None, eps=None),
            ],
        )
    return None


def _floors(plan: Plan, place: Place) -> tuple[float, ...]:
    """Return the lr below which each parameter group is not cut."""
    floor = place.get("min_lr")
    return tuple(floor) if isinstance(floor, tuple) else (floor,) * len(plan.base_lrs)


def _held_group(plan: Plan, place: Place, held: list[int], floors: tuple[float, ...]) -> Sighting:
    """Tell of parameter groups that are never cut, where others are."""
    lower = tuple(
        two_digits(plan.base_lrs[group] / 100) if group in held else floor for group, floor in enumerate(floors)
    )
    return Sighting(
        f"min_lr={floors[held[0]]:g} is not below the lr of {plan.group(held[0])}: that is never cut",
        [changed(plan, [place], min_lr=lower)],
    )


def _still(plan: Plan) -> list[int]:
    """Return the parameter groups whose lr not even a metric that never improves has cut."""
    metric = str(plan.schedule.metric)
    # improving at first and never again: the worst that can be
    results = [{metric: 1.0}] * plan.calls
    try:
        lrs = simulate(plan.schedule, plan.optimizer, plan.horizon, base_lrs=plan.base_lrs, metrics=results)
    except LrtuiError:
        return []
    return np.flatnonzero((lrs == lrs[0]).all(axis=0)).tolist()


def _factor(plan: Plan) -> Sighting | None:
    for place in plan.named("ReduceLROnPlateau"):
        factor = place.get("factor")
        floor = place.get("min_lr")
        if factor > LEAST_FACTOR or (floor if isinstance(floor, float | int) else max(floor)) > 0:
            continue
        return Sighting(
            f"factor={factor:g} takes the lr to {factor:g} of itself: the first cut ends the training",
            [changed(plan, [place], factor=None)],
        )
    return None


PLATEAU = (
    Trap("plateau-mode", _mode),
    Trap("plateau-threshold", _threshold),
    Trap("plateau-never-cuts", _never_cuts),
    Trap("plateau-factor", _factor),
)
