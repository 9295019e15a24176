"""`lrtui preview`: the lr of every batch, before any training."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys

from lrtui.cli.metrics_file import read_results
from lrtui.cli.options import add_run_options, check_task, read_spec, told_settings
from lrtui.cli.preview_chart import Preview, print_chart
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.tasks.sizes import expected_batches_per_epoch

EPILOG = """\
the real scheduler of PyTorch is stepped as the training loop steps it, so that the figures are those of a run.

examples:
  lrtui preview "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"
  lrtui preview "CosineAnnealingLR()" --epochs 30 --batches-per-epoch 500 --json
  lrtui preview "ReduceLROnPlateau(patience=1)" --metrics run.jsonl
"""

OPTIONS = ("task", "optimizer", "epochs", "batch_size", "accumulate", "train_samples")

MOST_BATCHES = 10_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedules", metavar="SCHEDULE", nargs="+", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser, OPTIONS)
    parser.add_argument("--batches-per-epoch", metavar="N", help="length of an epoch, in place of a task's")
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
    spec = read_spec(namespace, namespace.schedules[0], told_settings().run)
    optimizer = parse_optimizer(spec.optimizer)
    check_task(spec.task)
    horizon = Horizon(spec.epochs, _batches_per_epoch(namespace, spec))
    if horizon.total_steps > MOST_BATCHES:
        raise UsageError(f"{horizon.total_steps:,} batches are too many to list; at most {MOST_BATCHES:,}")
    results = _read_results(namespace.metrics, schedules, horizon)
    # torch is imported here: every word has been checked by now
    from lrtui.schedules.simulate import simulate

    previews = []
    for schedule in schedules:
        filled, values = fill_in(schedule, horizon)
        lrs = simulate(schedule, optimizer, horizon, metrics=results.get(schedule.metric or ""))
        previews.append(Preview(filled, values, lrs))
    if namespace.json:
        _print_json(previews)
    elif namespace.csv:
        _print_csv(previews, horizon)
    else:
        print_chart(previews, horizon)
    return 0


def _read_results(path: str | None, schedules: list[Schedule], horizon: Horizon) -> dict[str, list[dict[str, float]]]:
    """Return the file's results by the metric that a schedule follows, and say what there is to know of them."""
    results: dict[str, list[dict[str, float]]] = {}
    for schedule in schedules:
        metric = schedule.metric
        if metric is None:
            continue
        if path is None:
            words = (
                f"follows the test {metric}, which a run has and a preview has not: shown as it is while nothing "
                "has stalled; --metrics FILE gives it one"
            )
        else:
            results[metric] = results.get(metric) or read_results(path, metric)
            given = len(results[metric])
            if given >= horizon.epochs:
                continue
            words = f"{path} has the results of {given:,} of {horizon.epochs:,} epochs: held after them"
        print(f"{schedule}: {words}", file=sys.stderr)
    if path is not None and not results:
        raise UsageError("--metrics is for schedules that follow a metric, and none of these does")
    return results


def _batches_per_epoch(namespace: argparse.Namespace, spec: RunSpec) -> int:
    if namespace.batches_per_epoch is not None:
        try:
            batches = int(namespace.batches_per_epoch)
        except ValueError:
            batches = 0
        if not 1 <= batches <= MOST_BATCHES:
            raise UsageError(
                f"--batches-per-epoch takes a whole number from 1 to {MOST_BATCHES:,}, "
                f"not {namespace.batches_per_epoch[:40]!r}"
            )
        return batches
    batches_or_none = expected_batches_per_epoch(spec)
    if batches_or_none is None:
        raise UsageError(f"how long an epoch of {spec.task} is shows only in a run; give --batches-per-epoch N")
    return batches_or_none


def _print_json(previews: list[Preview]) -> None:
    for preview in previews:
        record = {
            "schedule": str(preview.schedule),
            "per": preview.schedule.per,
            "filled_in": preview.filled_in,
            "lrs": [[lr if math.isfinite(lr) else None for lr in lrs] for lrs in preview.lrs.tolist()],
        }
        print(json.dumps(record, allow_nan=False), flush=True)


def _print_csv(previews: list[Preview], horizon: Horizon) -> None:
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
