"""`lrtui preview` over a recorded run: its length and its lr, and how far schedules are from that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrtui.cli.charts import Curve, chart_columns
from lrtui.cli.options import read_batches_per_epoch, read_count
from lrtui.cli.recorded_run import RecordedRun, read_recorded_run
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.run.spec import MAX_EPOCHS, option_name
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted, four_digits

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve
    from lrtui.run.spec import RunSpec
    from lrtui.schedules.curve_difference import CurveDifference

RECORDED = "recorded"
"""Stands for the recorded lr in headings."""

LENGTH_SETTINGS = ("task", "batch_size", "accumulate", "train_samples", "batches_per_epoch")
"""Options that determine the length of an epoch, which a recorded run defines."""


def run_of_options(
    run: str | None, over: str | None, store: str | None, given: Mapping[str, Any]
) -> RecordedRun | None:
    """Return the run that `--run` or `--over` names; None without them.

    Args:
        given: other options of the preview.

    Raises:
        UsageError: for a run that does not exist or has not started, or options that contradict it.
        StoreError: if the store can't be read.
    """
    named = run if over is None else over
    if named is None:
        if store is not None:
            raise UsageError("--store needs --run or --over: it names the store of that run")
        return None
    option_of_run = "--run" if over is None else "--over"
    for name in LENGTH_SETTINGS:
        if given.get(name) is not None:
            raise UsageError(
                f"{option_name(name)} can't be combined with {option_of_run}, which sets the length of an epoch"
            )
    if given["metrics"] is not None:
        raise UsageError(f"{option_of_run} and --metrics can't be combined: both are sources of test results")
    return read_recorded_run(named, store, with_curve=over is not None)


def horizon_over(recorded: RecordedRun, spec: RunSpec, batches: str | None, epochs: str | None) -> tuple[Horizon, str]:
    """Return the steps of a recorded run, and where the length of its epochs is from; empty if it is unknown.

    Args:
        spec: its settings, with the options.
        batches: text of `--batches-per-epoch`, which only a run needs that does not say it.
        epochs: text of `--epochs`: the length of the run, or of an epoch if only the steps of the run are known.

    Raises:
        UsageError: for a run without a recorded lr, and `--batches-per-epoch` for one whose epochs are known.
    """
    curve = recorded.curve
    if curve is None or not len(curve):
        raise UsageError(f"{recorded.title} has no recorded lr")
    known = curve.batches_per_epoch
    if known is not None:
        if batches is not None:
            raise UsageError(
                f"--batches-per-epoch can't be combined with --over {recorded.title}, whose epochs have "
                f"{counted(known, 'step')}"
            )
        is_planned = recorded.started.total_steps is not None and not spec.is_log
        is_given = epochs is not None or spec.max_steps is not None
        return Horizon.of(spec, known) if is_planned or is_given else _of_steps(curve.length, known), "its record"
    length = spec.max_steps or curve.length
    if batches is not None:
        per_epoch = read_batches_per_epoch(batches, spec)
        return _of_steps(length if epochs is None else spec.total_steps(per_epoch), per_epoch), "--batches-per-epoch"
    if epochs is not None:
        count = read_count("--epochs", epochs, maximum=MAX_EPOCHS)
        return _of_steps(length, -(-length // count)), "--epochs"
    return _of_steps(length, length), ""


def _of_steps(steps: int, per_epoch: int) -> Horizon:
    return Horizon(-(-steps // per_epoch), per_epoch, max_steps=steps)


def check_epochs(schedules: Iterable[Schedule], recorded: RecordedRun, known_from: str) -> None:
    """Refuse a schedule that is stepped per epoch over a run whose epochs have an unknown length.

    Raises:
        UsageError: names the options that say it.
    """
    for schedule in schedules:
        if not known_from and "epoch" in schedule.units:
            raise UsageError(
                f"{schedule} is stepped per epoch, and {recorded.title} does not say how many steps an epoch has: "
                'give --batches-per-epoch N or --epochs N, or write per="batch"'
            )


def optimizer_of_log(curve: RecordedCurve) -> tuple[OptimizerSpec, str]:
    """Return an optimizer with the lrs that a log's schedule starts from, and where they are from, as a phrase.

    The peak may lie between two logged steps: a usual schedule that agrees with all of them has it exactly.
    """
    import numpy as np

    from lrtui.schedules.curve_fit import fit_schedule

    found = fit_schedule(curve) if curve.lrs.shape[1] == 1 else None
    if found is not None:
        return OptimizerSpec("Adam", (("lr", found.base_lr),)), f"lr={found.base_lr:g}, as {found.notation} does"
    peaks = [float(np.nanmax(np.where(np.isfinite(lrs), lrs, np.nan), initial=0.0)) for lrs in curve.lrs.T]
    groups = tuple(((f"group{index}",), (("lr", lr),)) for index, lr in enumerate(peaks[1:], start=1))
    text = f"the highest recorded lr, {', '.join(map(four_digits, peaks))}"
    return OptimizerSpec("Adam", (("lr", peaks[0]),), groups), text


def described(recorded: RecordedRun, horizon: Horizon, known_from: str) -> str:
    """Return what the schedules are compared with, as a line."""
    curve = recorded.curve
    assert curve is not None
    text = f"over {recorded.title}: lr recorded at {len(curve):,} of {counted(horizon.total_steps, 'step')}"
    if known_from:
        text += f", {horizon.batches_per_epoch:,} per epoch"
        text += f" (from {known_from})" if known_from != "its record" else ""
    return text


# -- output -----------------------------------------------------------------------------------------------------------


def recorded_record(recorded: RecordedRun, *, is_named: bool) -> dict[str, Any]:
    """Return the recorded lr for JSON: its steps, and the lrs of each parameter group at them.

    Args:
        is_named: whether to look for the usual schedule that has this lr.
    """
    curve = recorded.curve
    assert curve is not None
    named = {}
    if is_named:
        from lrtui.schedules.curve_fit import fit_schedule

        found = fit_schedule(curve)
        named = {"schedule": found.notation if found else None, "base_lr": found.base_lr if found else None}
    return {
        RECORDED: recorded.title,
        "run": recorded.number if recorded.number is not None else recorded.title,
        **named,
        "steps": curve.steps.tolist(),
        "lrs": [[lr if math.isfinite(lr) else None for lr in lrs] for lrs in curve.lrs.tolist()],
    }


def recorded_columns(curve: RecordedCurve, total_steps: int) -> Mapping[str, list[str]]:
    """Return columns of a CSV by name, with a text for each step; empty where no lr was recorded."""
    groups = curve.lrs.shape[1]
    columns = {}
    for group in range(groups):
        texts = [""] * total_steps
        for step, lr in zip(curve.steps.tolist(), curve.lrs[:, group].tolist(), strict=True):
            if step < total_steps and not math.isnan(lr):
                texts[step] = repr(lr)
        columns[RECORDED + (f" [{group}]" if groups > 1 else "")] = texts
    return columns


def recorded_curves(curve: RecordedCurve, per_epoch: int, marker: str) -> list[Curve]:
    """Return the recorded lr of each group for a chart, as points."""
    import numpy as np

    shown = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), 2 * chart_columns())).astype(int))
    places = (curve.steps[shown] / per_epoch).tolist()
    return [
        Curve(places, curve.lrs[shown, group].tolist(), 0, marker, joined=False) for group in range(curve.lrs.shape[1])
    ]


def print_recorded(curve: RecordedCurve) -> None:
    """Print the statistics of the recorded lr."""
    from lrtui.schedules.lr_curve import percent_text, share_below_peak

    for group in range(curve.lrs.shape[1]):
        lrs = curve.lrs[:, group]
        known = lrs == lrs
        steps, lrs = curve.steps[known], lrs[known]
        if not len(lrs):
            continue
        name = f"group {group}" if curve.lrs.shape[1] > 1 else "lr"
        print_prose(
            f"  {name}: first {four_digits(lrs[0] + 0.0)} at step {steps[0]:,}, "
            f"peak {four_digits(lrs.max() + 0.0)} at step {steps[int(lrs.argmax())]:,}, "
            f"last {four_digits(lrs[-1] + 0.0)} at step {steps[-1]:,}"
        )
        print_prose(f"  {percent_text(share_below_peak(lrs))} of the points below 1 % of the peak")


def print_fit(curve: RecordedCurve) -> None:
    """Print which usual schedule has the recorded lr."""
    from lrtui.schedules.curve_fit import fit_schedule

    found = fit_schedule(curve)
    if found is None:
        print_prose("  no usual schedule agrees with every point within 1e-4")
        return
    late = _offset_text(found.offset)
    group = " of the first group" if curve.lrs.shape[1] > 1 else ""
    print_prose(
        f"  the lr{group} is that of {found.notation} on an optimizer with lr={found.base_lr:g}, within 1e-4 at every "
        f"point{late}"
    )


def _offset_text(offset: int) -> str:
    """Return at which other step than its own each lr was logged, as the end of a sentence."""
    return f", logged one step {'later' if offset > 0 else 'earlier'} than used" if offset else ""


def print_differences(differences: Sequence[CurveDifference]) -> None:
    """Print how far a schedule is from the recorded lr, a line per parameter group."""
    from lrtui.schedules.lr_curve import percent_text

    for group, difference in enumerate(differences):
        name = f"  group {group}: " if len(differences) > 1 else "  "
        if not difference.points:
            print_prose(f"{name}no recorded lr to compare with")
            continue
        points = counted(difference.points, "recorded point")
        if difference.agrees:
            print_prose(f"{name}agrees with all {points}{_offset_text(difference.offset)}")
            continue
        print_prose(
            f"{name}agrees with {percent_text(difference.agreeing)} of {points} within 1e-6; "
            f"differs by up to {_relative(difference.largest_relative)} at step {difference.relative_step:,}, "
            f"by up to {four_digits(difference.largest_absolute)} at step {difference.absolute_step:,}; "
            f"the recorded lr is {_mean(difference.mean)} on average"
        )


def _relative(share: float) -> str:
    return f"{100 * share:.3g} %" if math.isfinite(share) else "any factor"


def _mean(mean: float) -> str:
    if not math.isfinite(mean):
        return "not comparable"
    return f"{four_digits(abs(mean))} {'higher' if mean >= 0 else 'lower'}"
