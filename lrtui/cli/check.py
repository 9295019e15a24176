"""`lrtui check`: what is wrong with a schedule, before any training."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap

from lrtui.cli.epoch_length import OPTIONS, add_length_option, read_batches_per_epoch
from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.options import add_run_options, check_task, read_spec, told_settings
from lrtui.run.errors import UsageError
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon

EPILOG = """\
each schedule is stepped through the whole run, as training would, and looked at for every trap that can be known of
before it. A finding has a code, a sentence, and where the notation can mend it the corrected one. Exit status: 0 where
there is none, 1 where there is one.

examples:
  lrtui check "ExponentialLR(gamma=0.1)"
  lrtui check "CosineAnnealingLR(T_max=10, per='batch')" --epochs 30 --batches-per-epoch 500 --json
  lrtui check --explain dead-tail
  lrtui check --explain
"""

MOST_STEPS = 10_000_000
"""Of a run that is looked at."""

WIDTH = 100
CODE_WIDTH = 26


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedules", metavar="SCHEDULE", nargs="*", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser, OPTIONS)
    add_length_option(parser)
    parser.add_argument(
        "--explain",
        metavar="CODE",
        nargs="?",
        const="list",
        help="tell what a finding is about; without CODE: list all",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON object a finding")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    if namespace.explain is not None:
        if namespace.schedules:
            raise UsageError("--explain takes a code and no schedule")
        _explain(namespace.explain)
        return DONE
    if not namespace.schedules:
        raise UsageError("a schedule is needed, or --explain CODE\ntry lrtui check --help")
    schedules = [parse_schedule(text) for text in namespace.schedules]
    spec = read_spec(namespace, namespace.schedules[0], told_settings().run)
    optimizer = parse_optimizer(spec.optimizer)
    check_task(spec.task)
    horizon = Horizon(spec.epochs, read_batches_per_epoch(namespace.batches_per_epoch, spec))
    if horizon.total_steps > MOST_STEPS:
        raise UsageError(f"{horizon.total_steps:,} steps are too many to look at; at most {MOST_STEPS:,}")
    # numpy and then torch are imported here: every word has been read by now
    from lrtui.analysis.checks import check_schedule

    found = False
    for schedule in schedules:
        findings = check_schedule(schedule, optimizer, horizon, accumulate=spec.accumulate)
        found = found or bool(findings)
        for finding in findings:
            if namespace.json:
                print(json.dumps({"code": finding.code, "message": finding.message, "fix": finding.fix}), flush=True)
            else:
                print(f"{finding.code}: {finding.message}")
                if finding.fix is not None:
                    print(f"  better: {finding.fix}")
        if not findings:
            print(f"{schedule}: ✓ no findings", file=sys.stderr)
    if found and not namespace.json:
        print("lrtui check --explain CODE tells more", file=sys.stderr)
    return FAILED if found else DONE


def _explain(code: str) -> None:
    from lrtui.analysis.checks.check import TRAPS, explain

    titles = {trap.code: trap.title for trap in TRAPS}
    listed = "\n".join(f"{name:<{CODE_WIDTH}} {title}" for name, title in titles.items())
    if code == "list":
        print(listed)
        return
    if code not in titles:
        print(listed, file=sys.stderr)
    for paragraph in explain(code).splitlines():
        # indented lines are notation and figures
        print(paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, WIDTH))
