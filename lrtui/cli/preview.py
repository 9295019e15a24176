"""`lrtui preview`: the lr of every batch, before any training."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Collection, Mapping, Sequence
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
from lrtui.cli.preview_over import (
    RECORDED,
    check_epochs,
    described,
    horizon_over,
    optimizer_of_log,
    print_differences,
    print_fit,
    print_recorded,
    recorded_columns,
    recorded_curves,
    recorded_record,
    run_of_options,
)
from lrtui.cli.preview_results import results_for
from lrtui.cli.recorded_run import RecordedRun, Results
from lrtui.cli.stored_runs import complete_runs, store_option
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.text.format import counted, four_digits

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve
    from lrtui.run.spec import RunSpec
    from lrtui.schedules.curve_difference import CurveDifference
    from lrtui.schedules.optimizer import OptimizerSpec
    from lrtui.schedules.schedule import Schedule
    from lrtui.schedules.simulate import WhatIf

EPILOG = """\
Examples:
  lrtui preview "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"
  lrtui preview "CosineAnnealingLR()" --epochs 30 --batches-per-epoch 500 --json
  lrtui preview "ReduceLROnPlateau(patience=1)" --run last
  lrtui preview "CosineAnnealingLR()" --over last
  lrtui preview "CosineAnnealingLR(per='batch')" --over runs/exp1
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
@option(
    "--over",
    metavar="RUN",
    help="the same, or the path of a log, and compare with the lr that the run has recorded",
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
    over: str | None,
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

    With --over the lr that the run has recorded is drawn as well, and the differences from it are printed; without a
    SCHEDULE that lr alone, and which usual schedule has it.
    """
    check_at_most_one(json=as_json, csv=as_csv)
    check_at_most_one(run=run, over=over)
    has_schedule = over is None or schedules or options["by_optimizer"]
    schedules = joined_schedules(schedules, options) if has_schedule else ()
    parsed = [parse_schedule(text) for text in schedules]
    given = {**options, "batches_per_epoch": batches_per_epoch if over is None else None, "metrics": metrics}
    recorded = run_of_options(run, over, store, given)
    spec = read_spec(
        options, schedules[0] if schedules else None, recorded.settings if recorded else load_settings().run
    )
    known_from = ""
    if recorded is None:
        check_task(spec.task)
        horizon = Horizon.of(spec, read_batches_per_epoch(batches_per_epoch, spec))
    elif over is not None:
        horizon, known_from = horizon_over(recorded, spec, batches_per_epoch, options["epochs"])
        check_epochs(parsed, recorded, known_from)
    else:
        horizon = Horizon.of(spec, recorded.started.batches_per_epoch)
    if horizon.total_steps > MAX_BATCHES:
        raise UsageError(f"{counted(horizon.total_steps, 'batch')} are too many to list; at most {MAX_BATCHES:,}")
    if recorded is not None and over is not None:
        print_prose(described(recorded, horizon, known_from), sys.stderr)
    parse_optimizer(spec.optimizer)
    results = results_for(parsed, horizon.epochs, metrics, recorded)
    optimizer = _optimizer(spec, recorded, options["optimizer"], bool(parsed))
    previews = _previews(parsed, optimizer, horizon, results, recorded.title if recorded else metrics)
    curve = recorded.curve if recorded is not None else None
    if as_json:
        if recorded is not None and curve is not None:
            print(json.dumps(recorded_record(recorded, is_named=not parsed), allow_nan=False), flush=True)
        _print_json(previews, results, curve)
    elif as_csv:
        _print_csv(previews, horizon, curve)
    else:
        _print_chart(previews, horizon, optimizer, curve, "epoch" if known_from or curve is None else "step")
    return 0


def _optimizer(spec: RunSpec, recorded: RecordedRun | None, given: str | None, is_needed: bool) -> OptimizerSpec:
    """Return the optimizer that the schedules drive; imports torch for that of a task.

    Args:
        given: text of `--optimizer`.
        is_needed: whether there are schedules.
    """
    if recorded is None:
        return parse_optimizer(with_task_optimizer(spec).optimizer)
    if not spec.is_log or given is not None or recorded.curve is None:
        return parse_optimizer(spec.optimizer)
    found, source = optimizer_of_log(recorded.curve)
    if is_needed:
        print_prose(f"schedules start from {source}; --optimizer sets another", sys.stderr)
    return found


def _previews(
    schedules: Sequence[Schedule],
    optimizer: OptimizerSpec,
    horizon: Horizon,
    results: Mapping[str, Results],
    source: str | None,
) -> list[WhatIf]:
    """Return the lrs of each schedule, and print on standard error what those that follow a metric did."""
    if not schedules:
        return []
    # torch is imported here, once all arguments have been checked
    from lrtui.schedules.simulate import cuts_text, what_if

    previews = [what_if(each, optimizer, horizon, results.get(each.metric or "", ())) for each in schedules]
    for preview in previews:
        if preview.schedule.metric in results:
            text = f"over the test {preview.schedule.metric} of {source} it {cuts_text(preview.cuts)}"
            print_prose(f"{preview.schedule}: {text}", sys.stderr)
    return previews


def _print_json(previews: Sequence[WhatIf], results: Collection[str], curve: RecordedCurve | None) -> None:
    for preview in previews:
        over = None if curve is None else [each.record() for each in _differences(curve, preview)]
        record = {
            "schedule": str(preview.schedule),
            "per": preview.schedule.per,
            "filled_in": preview.filled_in,
            **({"cuts": list(preview.cuts)} if preview.schedule.metric in results else {}),
            "lrs": [[lr if math.isfinite(lr) else None for lr in lrs] for lrs in preview.lrs.tolist()],
            **({"over": over} if over is not None else {}),
        }
        print(json.dumps(record, allow_nan=False), flush=True)


def _differences(curve: RecordedCurve, preview: WhatIf) -> list[CurveDifference]:
    from lrtui.schedules.curve_difference import curve_differences

    return curve_differences(curve, preview.lrs)


def _print_csv(previews: Sequence[WhatIf], horizon: Horizon, curve: RecordedCurve | None) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    recorded = {} if curve is None else recorded_columns(curve, horizon.total_steps)
    names = [*recorded]
    for preview in previews:
        groups = preview.lrs.shape[1]
        names += [str(preview.schedule) + (f" [{group}]" if groups > 1 else "") for group in range(groups)]
    writer.writerow(["step", "epoch", "batch", *names])
    columns = [preview.lrs.tolist() for preview in previews]
    for step in range(horizon.total_steps):
        epoch, batch = divmod(step, horizon.batches_per_epoch)
        own = (texts[step] for texts in recorded.values())
        writer.writerow([step, epoch + 1, batch, *own, *(repr(lr) for column in columns for lr in column[step])])


def _print_chart(
    previews: Sequence[WhatIf], horizon: Horizon, optimizer: OptimizerSpec, curve: RecordedCurve | None, x_label: str
) -> None:
    """Draw the curves in one chart, and print their statistics below.

    Args:
        optimizer: the areas are relative to its lrs.
        curve: what a run has recorded, drawn first; None without a run.
        x_label: what the x axis counts, `epoch` or `step`.
    """
    import numpy as np

    steps = np.linspace(0, horizon.total_steps - 1, min(horizon.total_steps, 2 * chart_columns())).astype(int)
    per_epoch = horizon.batches_per_epoch if x_label == "epoch" else 1
    first = 0 if curve is None else 1
    count = first + len(previews)
    places = (steps / per_epoch).tolist()
    curves = [] if curve is None else recorded_curves(curve, per_epoch, marker_of(0, count))
    curves += [
        Curve(places, preview.lrs[steps, group].tolist(), index, marker_of(index, count))
        for index, preview in enumerate(previews, start=first)
        for group in range(preview.lrs.shape[1])
    ]
    charts.print_chart(
        curves,
        epoch_ticks(0, horizon.epochs if x_label == "epoch" else horizon.total_steps),
        from_zero=True,
        x_label=x_label,
    )
    if curve is not None:
        print_legend(marker_of(0, count), 0, RECORDED)
        print_recorded(curve)
        if not previews:
            print_fit(curve)
    for index, preview in enumerate(previews, start=first):
        heading = f"{preview.schedule}, per {' and '.join(preview.schedule.units)}"
        if count > 1:
            print_legend(marker_of(index, count), index, heading)
        else:
            print_prose(heading)
        _print_figures(preview, horizon, optimizer)
        if curve is not None:
            print_differences(_differences(curve, preview))


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
