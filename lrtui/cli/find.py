"""`lrtui find`: a range test without a screen."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TextIO

from lrtui.cli.exit_codes import DIVERGED, DONE, FAILED
from lrtui.cli.options import add_run_options, check_words, read_number, read_spec, told_settings
from lrtui.cli.range_report import print_point, print_report, print_result
from lrtui.cli.signals import stopping_on_signals
from lrtui.engine.range_test import RangeTestThread
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeEnd
from lrtui.run.sweep import Sweep

POLL_SECONDS = 0.05

EPILOG = """\
a fresh model is trained a step at each lr, from a very low one to a very high one; the loss over the lr shows where
it learns, and where it no longer does. Four rules read an lr off that curve. Nothing is kept in a store: run options
that only a run has a use for, such as --epochs, are taken and make no difference.

standard output has the chart and the rules (or JSON objects: one a step, then one with the suggestions), everything
else goes to standard error. exit status: 0 done, 1 failed, 2 the words are off, 3 the loss is not finite from the
first step on, 130 interrupted (Ctrl-C: what was seen so far is shown), 143 terminated, 129 hung up

examples:
  lrtui find
  lrtui find --optimizer "SGD(lr=0.1, momentum=0.9)" --from 1e-4 --to 10 --steps 300
  lrtui find --task examples/regression.py:Curve --linear --from 0.001 --to 0.5
  lrtui find --json | tail -n 1
"""

STOP_SECONDS = 30.0
"""How long a batch may still take once nobody reads what comes out."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    default = Sweep()
    parser.add_argument("--from", dest="start", metavar="LR", help=f"lr of the first step (default: {default.start:g})")
    parser.add_argument("--to", dest="end", metavar="LR", help=f"lr of the last one (default: {default.end:g})")
    parser.add_argument("--steps", metavar="N", help=f"how many (default: {default.steps})")
    parser.add_argument("--linear", action="store_true", help="equal differences of lr, in place of equal ratios")
    parser.add_argument("--json", action="store_true", help="print each step as a JSON object, then what is suggested")
    parser.add_argument("--quiet", action="store_true", help="no narration")
    add_run_options(parser)


def main(namespace: argparse.Namespace) -> int:
    """Make the range test, print what it shows, and return the exit status."""
    spec = read_spec(namespace, None, told_settings().run)
    check_words(spec)
    sweep = read_sweep(namespace)
    test = RangeTestThread(spec, sweep)
    # what a task prints goes beside the narration
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), stopping_on_signals(test.feed.stop) as caught:
        curve = _follow(test.start(), out if namespace.json else None, quiet=namespace.quiet)
    end = test.feed.end
    assert end is not None
    if end.error is not None:
        raise end.error
    own_lr = test.feed.start.own_lr if test.feed.start else 0.0
    if namespace.json:
        print_result(curve.suggest(), end, own_lr)
    elif len(curve):
        print_report(curve, end, own_lr)
    return _exit_status(curve, end, caught)


def read_sweep(namespace: argparse.Namespace) -> Sweep:
    """Return the sweep that the words stand for.

    Raises:
        UsageError: for one that can't be.
    """
    default = Sweep()
    start, end = (
        fallback if text is None else read_number(option, text)
        for option, text, fallback in (
            ("--from", namespace.start, default.start),
            ("--to", namespace.end, default.end),
        )
    )
    steps = default.steps if namespace.steps is None else int(read_number("--steps", namespace.steps, whole=True))
    return Sweep(start, end, steps, namespace.linear)


def _follow(test: RangeTestThread, out: TextIO | None, *, quiet: bool) -> RangeCurve:
    """Take in the points until the test is over.

    Args:
        out: where each is printed as it comes; None for nowhere.
        quiet: whether there is no narration.
    """
    curve, told = RangeCurve(test.sweep), 0
    try:
        while True:
            is_over = test.feed.wait(POLL_SECONDS)
            said = test.said[told:]
            told += len(said)
            for line in () if quiet else said:
                print(line, file=sys.stderr, flush=True)
            for lr, loss in test.feed.take():
                point = curve.add(lr, loss)
                if out is not None:
                    print_point(point, out)
            if is_over:
                # the process must not end while the thread is still within torch
                test.join(STOP_SECONDS)
                return curve
    except OSError:
        # nobody reads any more; inside torch the thread would abort the process at its end
        test.feed.stop()
        if not test.join(STOP_SECONDS):
            os._exit(FAILED)
        raise


def _exit_status(curve: RangeCurve, end: RangeEnd, caught: list[int]) -> int:
    if caught and end.outcome == "stopped":
        return caught[0]
    return DIVERGED if end.outcome == "diverged" and not curve.shown else DONE
