"""`lrtui find`: runs a range test and prints the results."""

from __future__ import annotations

import json
import math
import os
import sys
from typing import Any, TextIO

import click

from lrtui.cli.charts import Curve, print_chart
from lrtui.cli.command import Command, option
from lrtui.cli.exit_codes import DIVERGED, DONE, FAILED, stop_on_signals
from lrtui.cli.optimizer_options import with_task_optimizer
from lrtui.cli.options import check_notation, load_settings, read_count, read_number, read_spec, run_options
from lrtui.cli.progress import Progress
from lrtui.cli.task_output import task_output_on_stderr
from lrtui.cli.terminal import print_prose
from lrtui.engine.range_test import RangeTestThread
from lrtui.run.event_json import plain
from lrtui.run.lr_rules import SIGNS, Suggestions, format_lr
from lrtui.run.range_curve import RangeCurve, compare_lr, outcome_line
from lrtui.run.range_feed import MAX_STEPS, RangeEnd, Sweep
from lrtui.text.format import four_digits

EPILOG = """\
Exit status: 0 done, 1 failed, 2 usage error, 3 the loss is not finite from the first step on, 130 interrupted (Ctrl-C:
the results so far are shown), 143 terminated, 129 terminal closed.

Examples:
  lrtui find
  lrtui find --optimizer "SGD(lr=0.1, momentum=0.9)" --from 1e-4 --to 10 --steps 300
  lrtui find --task examples/regression.py:Curve --linear --from 0.001 --to 0.5
  lrtui find --json | tail -n 1
"""

POLL_SECONDS = 0.05

STOP_SECONDS = 30.0
"""Seconds to wait for the batch in progress after standard output was closed."""

SMOOTHED, BATCHES = 0, 7
"""Colours of the two curves."""

DEFAULT = Sweep()


@click.command(cls=Command, epilog=EPILOG)
@option("--from", "start", metavar="LR", help=f"lr of the first step (default: {DEFAULT.start:g})")
@option("--to", "end", metavar="LR", help=f"lr of the last step (default: {DEFAULT.end:g})")
@option("--steps", metavar="N", help=f"number of steps (default: {DEFAULT.steps})")
@option("--linear", is_flag=True, help="space the lrs linearly instead of logarithmically")
@option("--json", "as_json", is_flag=True, help="print a JSON object per step, then one with the suggestions")
@option("--quiet", is_flag=True, help="print no messages")
@run_options()
def command(
    start: str | None, end: str | None, steps: str | None, linear: bool, as_json: bool, quiet: bool, **options: Any
) -> int:
    """A new model is trained one step at each lr, from a very low to a very high one; the loss over the lr shows where
    it learns and where it diverges. Four rules pick an lr from that curve. Nothing is stored; run options that a range
    test does not need, such as --epochs, are accepted and ignored.

    The chart and the rules, or JSON objects, go to standard output and everything else to standard error.
    """
    spec = read_spec(options, None, load_settings().run)
    check_notation(spec)
    spec = with_task_optimizer(spec)
    sweep = Sweep(
        DEFAULT.start if start is None else read_number("--from", start),
        DEFAULT.end if end is None else read_number("--to", end),
        read_count("--steps", steps, DEFAULT.steps, MAX_STEPS),
        linear,
    )
    test = RangeTestThread(spec, sweep)
    with task_output_on_stderr() as out, stop_on_signals(test.feed.stop) as signals:
        curve = _follow(test.start(), out if as_json else None, quiet=quiet)
    result = test.feed.end
    assert result is not None
    if result.error is not None:
        raise result.error
    configured_lr = test.feed.current_lr or 0.0
    if as_json:
        _print_suggestions(curve.suggest(result.outcome), result, configured_lr)
    elif len(curve):
        _print_report(curve, result, configured_lr)
    else:
        print_prose(outcome_line(curve, result), sys.stderr)
    if signals and result.outcome == "stopped":
        return signals[0]
    return DIVERGED if result.outcome == "diverged" and not curve.shown else DONE


def _follow(test: RangeTestThread, out: TextIO | None, *, quiet: bool) -> RangeCurve:
    """Collect the points until the test ends.

    Args:
        out: stream to which each point is printed as it comes; None to print none.
        quiet: whether messages are left out.
    """
    curve, printed = RangeCurve(test.sweep), 0
    progress = Progress("range test", is_shown=not quiet and not (out is not None and out.isatty()))
    try:
        while True:
            is_over = test.feed.wait(POLL_SECONDS)
            messages = test.messages[printed:]
            printed += len(messages)
            for line in () if quiet else messages:
                progress.say(line)
            for lr, loss in test.feed.take():
                point = curve.add(lr, loss)
                if out is not None:
                    print(json.dumps(plain(point), allow_nan=False), file=out, flush=True)
            if len(curve) and not is_over:
                progress.update(len(curve) / test.sweep.steps)
            if is_over:
                # a process that ends while a thread is inside torch aborts
                test.join(STOP_SECONDS)
                return curve
    except OSError:
        # standard output is closed; a thread inside torch would abort the process at its end
        test.feed.stop()
        if not test.join(STOP_SECONDS):
            os._exit(FAILED)
        raise
    finally:
        progress.close()


def _print_suggestions(suggestions: Suggestions, end: RangeEnd, configured_lr: float) -> None:
    """Print the suggestions as a JSON object."""
    record = {
        "suggestions": dict(suggestions.lrs),
        "suggested": suggestions.suggested,
        "spread": suggestions.spread,
        "agreement": suggestions.agreement,
        "largest_stable": suggestions.stable,
        "own_lr": configured_lr,
        "outcome": end.outcome,
    }
    print(json.dumps(record, allow_nan=False), flush=True)


def _print_report(curve: RangeCurve, end: RangeEnd, configured_lr: float) -> None:
    """Print the chart, the rules and the suggestion."""
    suggestions = curve.suggest(end.outcome)
    _print_curve(curve, suggestions)
    print_prose(outcome_line(curve, end))
    for name, lr in suggestions.lrs.items():
        mark = " <" if name == suggestions.suggested_by else ""
        print(f"{SIGNS[name]} {name:<11} {format_lr(lr):>10}{mark}")
    print_prose(suggestions.agreement)
    if suggestions.suggested is not None:
        print(f"suggested lr: {format_lr(suggestions.suggested)}")
    print_prose(compare_lr(configured_lr, suggestions))


def _print_curve(curve: RangeCurve, suggestions: Suggestions) -> None:
    """Draw the loss over the lr, up to where the rise at the end would hide the rest."""
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
