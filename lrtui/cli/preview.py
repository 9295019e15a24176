"""`lrtui preview`: the lr of every batch, before any training."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from lrtui.cli.epoch_length import MOST_BATCHES, OPTIONS, add_length_option, read_batches_per_epoch
from lrtui.cli.options import add_run_options, check_task, read_spec, told_settings
from lrtui.cli.preview_chart import print_chart
from lrtui.cli.preview_results import results_for
from lrtui.cli.recorded_run import RecordedRun, add_run_option, read_recorded_run, settings_of
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon

if TYPE_CHECKING:
    from lrtui.schedules.simulate import WhatIf

EPILOG = """\
the real scheduler of PyTorch is stepped as the training loop steps it, so that the figures are those of a run. The
area is the sum of the lr over all steps, as a share of what the optimizer's own lr, kept constant, would add up to.

examples:
  lrtui preview "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"
  lrtui preview "CosineAnnealingLR()" --epochs 30 --batches-per-epoch 500 --json
  lrtui preview "ReduceLROnPlateau(patience=1)" --run last
  lrtui preview "ReduceLROnPlateau(patience=1)" --metrics run.jsonl

with --run the schedules are laid over a stored run: over its steps, with its optimizer, and ReduceLROnPlateau with what
its tests said. With another lr they would have said something else, which nobody knows.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedules", metavar="SCHEDULE", nargs="+", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser, OPTIONS)
    add_length_option(parser)
    add_run_option(parser)
    parser.add_argument(
        "--metrics",
        metavar="FILE",
        help="test results for ReduceLROnPlateau: a number a line, a CSV, or what train --json printed",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a schedule, with every batch's lrs")
    form.add_argument("--csv", action="store_true", help="print step, epoch, batch and the lr of each schedule")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    schedules = [parse_schedule(text) for text in namespace.schedules]
    recorded = read_recorded_run(namespace)
    defaults = told_settings().run if recorded is None else settings_of(recorded)
    spec = read_spec(namespace, namespace.schedules[0], defaults)
    optimizer = parse_optimizer(spec.optimizer)
    if recorded is None:
        check_task(spec.task)
    horizon = _horizon(namespace, spec, recorded)
    results = results_for(schedules, horizon.epochs, namespace.metrics, recorded)
    # torch is imported here: every word has been checked by now
    from lrtui.schedules.simulate import cuts_text, what_if

    found = [what_if(schedule, optimizer, horizon, results.get(schedule.metric or "", ())) for schedule in schedules]
    for each in found:
        if each.schedule.metric in results:
            source = recorded.title if recorded else namespace.metrics
            words = f"over the test {each.schedule.metric} of {source} it {cuts_text(each.cuts)}"
            print(f"{each.schedule}: {words}", file=sys.stderr)
    if namespace.json:
        _print_json(found, results)
    elif namespace.csv:
        _print_csv(found, horizon)
    else:
        print_chart(found, horizon, optimizer.lrs)
    return 0


def _horizon(namespace: argparse.Namespace, spec: RunSpec, recorded: RecordedRun | None) -> Horizon:
    batches = recorded.batches_per_epoch if recorded else read_batches_per_epoch(namespace.batches_per_epoch, spec)
    horizon = Horizon(spec.epochs, batches)
    if horizon.total_steps > MOST_BATCHES:
        raise UsageError(f"{horizon.total_steps:,} batches are too many to list; at most {MOST_BATCHES:,}")
    return horizon


def _print_json(previews: Sequence[WhatIf], results: Collection[str]) -> None:
    for preview in previews:
        record = {
            "schedule": str(preview.schedule),
            "per": preview.schedule.per,
            "filled_in": preview.filled_in,
            **({"cuts": list(preview.cuts)} if preview.schedule.metric in results else {}),
            "lrs": [[lr if math.isfinite(lr) else None for lr in lrs] for lrs in preview.lrs.tolist()],
        }
        print(json.dumps(record, allow_nan=False), flush=True)


def _print_csv(previews: Sequence[WhatIf], horizon: Horizon) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = []
    for preview in previews:
        groups = preview.lrs.shape[1]
        names += [str(preview.schedule) + (f" [{group}]" if groups > 1 else "") for group in range(groups)]
    writer.writerow(["step", "epoch", "batch", *names])
    columns = [preview.lrs.tolist() for preview in previews]
    for step in range(horizon.total_steps):
        epoch, batch = divmod(step, horizon.batches_per_epoch)
        writer.writerow([step, epoch + 1, batch, *(repr(lr) for column in columns for lr in column[step])])
