"""A range test on standard output: a chart with what four rules make of it, or JSON."""

from __future__ import annotations

import json
import math
from typing import TextIO

from lrtui.cli.line_chart import Curve, print_chart
from lrtui.run.event_json import plain
from lrtui.run.lr_rules import SIGNS, Suggestions, lr_words
from lrtui.run.range_curve import RangeCurve, RangePoint
from lrtui.run.range_feed import RangeEnd
from lrtui.run.range_summary import ending_words, own_lr_words
from lrtui.run.sweep import Sweep
from lrtui.text.numbers import four_digits

SMOOTHED, BATCHES = 0, 7
"""Colours of the two curves."""


def print_point(point: RangePoint, out: TextIO) -> None:
    """Print a step as a JSON object, flushed at once."""
    print(json.dumps(plain(point), allow_nan=False), file=out, flush=True)


def print_result(suggestions: Suggestions, end: RangeEnd, own_lr: float) -> None:
    """Print what was found as a JSON object."""
    record = {
        "suggestions": dict(suggestions.lrs),
        "suggested": suggestions.suggested,
        "spread": suggestions.spread,
        "agreement": suggestions.agreement,
        "own_lr": own_lr,
        "outcome": end.outcome,
    }
    print(json.dumps(record, allow_nan=False), flush=True)


def print_report(curve: RangeCurve, end: RangeEnd, own_lr: float) -> None:
    """Print chart, rules and what they come to."""
    suggestions = curve.suggest()
    _print_curve(curve, suggestions)
    print(ending_words(curve, end))
    for name, lr in suggestions.lrs.items():
        mark = " <" if name == suggestions.suggested_by else ""
        print(f"{SIGNS[name]} {name:<11} {lr_words(lr):>10}{mark}")
    print(suggestions.agreement)
    if suggestions.suggested is not None:
        print(f"suggested lr: {lr_words(suggestions.suggested)}")
    print(own_lr_words(own_lr, suggestions))


def _print_curve(curve: RangeCurve, suggestions: Suggestions) -> None:
    """Draw the loss over the lr, up to where the rise at the end would hide all else."""
    sweep, shown = curve.sweep, curve.shown
    xs = [sweep.x(lr) for lr in curve.lrs.values[:shown]]
    if not xs:
        return
    top = curve.top
    smoothed, batches = (
        [min(loss, top) for loss in series.values[:shown].tolist()] for series in (curve.smoothed, curve.losses)
    )
    curves = [
        Curve(xs, batches, BATCHES, "braille", joined=False),
        Curve(xs, smoothed, SMOOTHED, "braille"),
    ]
    for index, (name, lr) in enumerate(suggestions.found.items(), start=1):
        if curve.lrs[0] <= lr <= curve.lrs[shown - 1]:
            curves.append(Curve([sweep.x(lr)], [curve.loss_at(lr)], index, SIGNS[name], joined=False))
    print("loss of each batch, and smoothed")
    print_chart(curves, _ticks(sweep, xs[-1]), from_zero=False, x_label="lr")


def _ticks(sweep: Sweep, last: float) -> dict[float, str]:
    if sweep.linear:
        return {place: four_digits(place) for place in (sweep.start + (last - sweep.start) * n / 5 for n in range(6))}
    decades = range(math.ceil(sweep.x(sweep.start) - 1e-9), math.floor(last + 1e-9) + 1)
    return {float(decade): four_digits(10.0**decade) for decade in decades}
