"""`lrtui preview`: the lr of every batch, before any training."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import click

from lrtui.cli import charts
from lrtui.cli.charts import Curve, chart_columns, epoch_ticks, marker_of, print_legend
from lrtui.cli.command import Command, option
from lrtui.cli.optimizer_options import joined_schedules, schedule_by_optimizer_option, with_task_optimizer
from lrtui.cli.options import (
    LENGTH_OPTIONS,
    MAX_BATCHES,
    check_at_most_one,
    check_task,
    length_option,
    load_settings,
    read_batches_per_epoch,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.preview_results import read_recorded_run, results_for
from lrtui.cli.stored_runs import complete_runs, store_option
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.text.format import four_digits

if TYPE_CHECKING:
    from lrtui.schedules.optimizer import OptimizerSpec
    from lrtui.schedules.simulate import WhatIf

EPILOG = """\
Examples:
  lrtui preview "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"
  lrtui preview "CosineAnnealingLR()" --epochs 30 --batches-per-epoch 500 --json
  lrtui preview "ReduceLROnPlateau(patience=1)" --run last
  lrtui preview "ReduceLROnPlateau(patience=1)" --metrics run.jsonl
"""


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument("schedules", nargs=-1, required=False)
@schedule_by_optimizer_option()
@option(
    "--run",
    metavar="RUN",
    help="take length, optimizer and test results from a stored run (an id, a name, or last)",
    shell_complete=complete_runs,
)
@store_option()
@option(
    "--metrics",
    metavar="FILE",
    help="test results for ReduceLROnPlateau: a number per line, a CSV, or the output of train --json",
    type=click.Path(),
)
@option("--json", "as_json", is_flag=True, help="print a JSON object per schedule, with the lrs of every batch")
@option("--csv", "as_csv", is_flag=True, help="print step, epoch, batch and the lr of each schedule")
@length_option()
@run_options(LENGTH_OPTIONS)
def command(
    schedules: tuple[str, ...],
    run: str | None,
    store: str | None,
    metrics: str | None,
    as_json: bool,
    as_csv: bool,
    batches_per_epoch: str | None,
    **options: Any,
) -> int:
    """PyTorch's scheduler is stepped as the training loop steps it, so the values are exactly those of a run. The
    mean lr (area, in JSON) is relative to the optimizer's lr.

    With --run the schedules are applied to a stored run: its steps, its optimizer and, for ReduceLROnPlateau, its test
    results. Under another lr the results would have been different, which a preview can't know.
    """
    check_at_most_one(json=as_json, csv=as_csv)
    schedules = joined_schedules(schedules, options)
    parsed = [parse_schedule(text) for text in schedules]
    given = {**options, "batches_per_epoch": batches_per_epoch, "metrics": metrics}
    recorded = read_recorded_run(run, store, given)
    spec = read_spec(options, schedules[0], recorded.settings if recorded else load_settings().run)
    if recorded is None:
        check_task(spec.task)
    batches = recorded.batches_per_epoch if recorded else read_batches_per_epoch(batches_per_epoch, spec)
    horizon = Horizon.of(spec, batches)
    if horizon.total_steps > MAX_BATCHES:
        raise UsageError(f"{horizon.total_steps:,} batches are too many to list; at most {MAX_BATCHES:,}")
    parse_optimizer(spec.optimizer)
    results = results_for(parsed, horizon.epochs, metrics, recorded)
    # torch is imported here, once all arguments have been checked
    optimizer = parse_optimizer(with_task_optimizer(spec).optimizer if recorded is None else spec.optimizer)
    from lrtui.schedules.simulate import cuts_text, what_if

    previews = [what_if(schedule, optimizer, horizon, results.get(schedule.metric or "", ())) for schedule in parsed]
    for preview in previews:
        if preview.schedule.metric in results:
            source = recorded.title if recorded else metrics
            text = f"over the test {preview.schedule.metric} of {source} it {cuts_text(preview.cuts)}"
            print_prose(f"{preview.schedule}: {text}", sys.stderr)
    if as_json:
        _print_json(previews, results)
    elif as_csv:
        _print_csv(previews, horizon)
    else:
        _print_chart(previews, horizon, optimizer)
    return 0


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


def _print_chart(previews: Sequence[WhatIf], horizon: Horizon, optimizer: OptimizerSpec) -> None:
    """Draw the curves in one chart, and print their statistics below.

    Args:
        optimizer: the areas are relative to its lrs.
    """
    import numpy as np

    steps = np.linspace(0, horizon.total_steps - 1, min(horizon.total_steps, 2 * chart_columns())).astype(int)
    epochs = (steps / horizon.batches_per_epoch).tolist()
    curves = [
        Curve(epochs, preview.lrs[steps, group].tolist(), index, marker_of(index, len(previews)))
        for index, preview in enumerate(previews)
        for group in range(preview.lrs.shape[1])
    ]
    charts.print_chart(curves, epoch_ticks(0, horizon.epochs), from_zero=True)
    for index, preview in enumerate(previews):
        heading = f"{preview.schedule}, per {' and '.join(preview.schedule.units)}"
        if len(previews) > 1:
            print_legend(marker_of(index, len(previews)), index, heading)
        else:
            print_prose(heading)
        _print_figures(preview, horizon, optimizer)


def _print_figures(preview: WhatIf, horizon: Horizon, optimizer: OptimizerSpec) -> None:
    from lrtui.schedules.lr_curve import curve_statistics, percent_text

    base_lrs, names = optimizer.lrs, optimizer.group_names
    for group in range(preview.lrs.shape[1]):
        lrs = preview.lrs[:, group]
        name = f"  group {group}" if preview.lrs.shape[1] > 1 else "  lr"
        # the task names its groups
        name = f"  {names[group]}" if optimizer.is_from_task and len(names) > 1 else name
        # adding 0.0 turns -0.0 into 0.0
        facts = curve_statistics(lrs, base_lrs[group])
        print_prose(
            f"{name}: first {four_digits(lrs[0] + 0.0)}, peak {four_digits(facts.peak)} "
            f"at step {int(lrs.argmax()):,}, last {four_digits(facts.last)}"
        )
        area = "" if math.isnan(facts.area) else f"mean lr {percent_text(facts.area)} of {base_lrs[group]:g}; "
        print_prose(f"  {area}{percent_text(facts.low)} of the steps below 1 % of the peak")
        starts = [four_digits(lrs[epoch * horizon.batches_per_epoch]) for epoch in range(min(horizon.epochs, 100))]
        print_prose(f"  at the start of each epoch: {'  '.join(starts)}{'  …' if horizon.epochs > 100 else ''}")
