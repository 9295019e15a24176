"""`lrtui preview`: the lr of every batch, before any training."""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.cli.options import add_run_options, check_task, read_spec
from lrtui.run.errors import UsageError
from lrtui.run.numbers import four_digits
from lrtui.run.spec import RunSpec
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.tasks.sizes import expected_batches_per_epoch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EPILOG = """\
the real scheduler of PyTorch is stepped as the training loop steps it, so that the figures are those of a run.

examples:
  lrtui preview "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"
  lrtui preview "CosineAnnealingLR()" --epochs 30 --batches-per-epoch 500 --json
"""

OPTIONS = ("task", "optimizer", "epochs", "batch_size", "train_samples")

MOST_BATCHES = 10_000_000

LARGEST = 1e30
"""Values beyond are drawn at the edge."""

COLOURS = ("blue+", "orange", "green+", "magenta+", "yellow", "red+", "cyan+", "gray")
MARKERS = ("braille", "o", "x", "+", "*", "#", "%", "&")


@dataclass(frozen=True, slots=True)
class Preview:
    """A schedule, filled in, and its lr: float64, shape (batches, parameter groups)."""

    schedule: Schedule
    filled_in: dict[str, int]
    lrs: NDArray[np.float64]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedules", metavar="SCHEDULE", nargs="+", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser, OPTIONS)
    parser.add_argument("--batches-per-epoch", metavar="N", help="length of an epoch, in place of a task's")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a schedule, with every batch's lrs")
    form.add_argument("--csv", action="store_true", help="print step, epoch, batch and the lr of each schedule")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    schedules = [parse_schedule(text) for text in namespace.schedules]
    spec = read_spec(namespace, namespace.schedules[0])
    optimizer = parse_optimizer(spec.optimizer)
    check_task(spec.task)
    horizon = Horizon(spec.epochs, _batches_per_epoch(namespace, spec))
    if horizon.total_steps > MOST_BATCHES:
        raise UsageError(f"{horizon.total_steps:,} batches are too many to list; at most {MOST_BATCHES:,}")
    # torch is imported here: every word has been checked by now
    from lrtui.schedules.simulate import simulate

    previews = []
    for schedule in schedules:
        if schedule.metric:
            print(
                f"{schedule}: follows the test {schedule.metric}, which a run has and a preview has not: shown "
                "as it is while nothing has stalled",
                file=sys.stderr,
            )
        filled, values = fill_in(schedule, horizon)
        previews.append(Preview(filled, values, simulate(schedule, optimizer, horizon)))
    if namespace.json:
        _print_json(previews)
    elif namespace.csv:
        _print_csv(previews, horizon)
    else:
        _print_chart(previews, horizon)
    return 0


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


def _print_chart(previews: list[Preview], horizon: Horizon) -> None:
    import numpy as np
    import plotext

    width = min(120, shutil.get_terminal_size((100, 30)).columns)
    plotext.clear_figure()
    # else it makes itself as narrow as what it takes for the terminal
    plotext.limitsize(False, False)
    plotext.plotsize(width, 22)
    plotext.theme("clear")
    steps = np.linspace(0, horizon.total_steps - 1, min(horizon.total_steps, 2 * width)).astype(int)
    # plotext draws whatever it is given dot by dot: all of it has to be finite and within the axes
    curves = [
        np.clip(np.nan_to_num(preview.lrs[steps], posinf=LARGEST, neginf=-LARGEST), -LARGEST, LARGEST)
        for preview in previews
    ]
    low = min(0.0, *(float(curve.min()) for curve in curves))
    high = max(float(curve.max()) for curve in curves)
    if high - low < 1e-300:
        high = low + 1.0
    for index, curve in enumerate(curves):
        for group in range(curve.shape[1]):
            plotext.plot(
                (steps / horizon.batches_per_epoch).tolist(),
                # as shares of the axis: plotext can't tell very small numbers apart
                ((curve[:, group] - low) / (high - low)).tolist(),
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)] if len(previews) > 1 else "braille",
            )
    plotext.xticks(list(range(0, horizon.epochs + 1, max(1, horizon.epochs // 10))))
    shares = [share / 4 for share in range(5)]
    plotext.yticks(shares, [four_digits(low + share * (high - low)) for share in shares])
    plotext.ylim(0, 1.02)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # where there are no such characters a row of question marks still shows the curve
        sys.stdout.reconfigure(errors="replace")
    chart = plotext.build()
    print(chart if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plotext.uncolorize(chart))
    print(f"{'epoch':>{width}}\n")
    for index, preview in enumerate(previews):
        _print_figures(preview, horizon, MARKERS[index % len(MARKERS)] if len(previews) > 1 else "")


def _print_figures(preview: Preview, horizon: Horizon, marker: str) -> None:
    sign = {"": "", "braille": "⠒ "}.get(marker, f"{marker} ")
    print(f"{sign}{preview.schedule}, per {preview.schedule.per}")
    for group in range(preview.lrs.shape[1]):
        lrs = preview.lrs[:, group]
        name = f"  group {group}" if preview.lrs.shape[1] > 1 else "  lr"
        print(
            f"{name}: first {four_digits(lrs[0] + 0.0)}, peak {four_digits(lrs.max() + 0.0)} "
            f"at step {int(lrs.argmax()):,}, last {four_digits(lrs[-1])}"
        )
        starts = [four_digits(lrs[epoch * horizon.batches_per_epoch]) for epoch in range(min(horizon.epochs, 100))]
        print(f"  as each epoch starts: {'  '.join(starts)}{'  …' if horizon.epochs > 100 else ''}")
