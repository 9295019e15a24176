"""What all chart panes share: the x axis, the colours of runs, the marks of changes."""

from __future__ import annotations

from lrtui.live_run import Run
from lrtui.run.series import Series
from lrtui.tui.charts.chart_view import LINE_COLOURS
from lrtui.tui.charts.layers import Curve, Flag, Form, Layer, Marks, Rule
from lrtui.tui.view import Scene

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def line_style(run: Run, group: int = 0) -> str:
    """Return the run's colour: its own for as long as it is there, whatever else is drawn.

    Args:
        group: of a run that is drawn alone, each parameter group has a colour of its own.
    """
    return f"chart--line-{(run.number - 1 + group) % LINE_COLOURS + 1}"


def last_epoch(scene: Scene) -> float:
    """Return the right end of the x axis in epochs: that of the longest run that is drawn."""
    lengths = [run.state.started.spec.epochs if run.state.started else run.spec.epochs for run in scene.shown]
    return float(max(lengths, default=scene.view.spec.epochs))


def batches_per_epoch(run: Run) -> int:
    """Return the optimizer steps of the run's epoch; 1 before it started, when there is nothing to draw."""
    return run.state.started.batches_per_epoch if run.state.started else 1


def now_and_changes(scene: Scene) -> list[Layer]:
    """Return the rule at the present step of the run on screen and the flags of its switches and nudges."""
    run = scene.run
    if run is None or run.state.started is None:
        return []
    per_epoch = batches_per_epoch(run)
    layers: list[Layer] = [Flag(change.step / per_epoch) for change in run.state.changes]
    if run.state.is_live:
        layers.append(Rule(run.state.step / per_epoch))
    return layers


def loss_curve(run: Run, form: Form = "line", smoothing: int = 0) -> Curve | None:
    """Return the run's training loss over epochs; None while there is none.

    Args:
        smoothing: span in steps of the exponential mean that is drawn in place of the values; 0 for the values.
    """
    series = run.state.smoothed_loss(smoothing) if smoothing else run.state.loss
    return _curve_of_steps(run, series, "chart--band" if form == "band" else line_style(run), form)


def lr_curve(run: Run, group: int, style: str) -> Curve | None:
    """Return the lr of one of the run's parameter groups over epochs; None while there is none."""
    return _curve_of_steps(run, run.state.lrs[group], style, "line")


def _curve_of_steps(run: Run, series: Series, style: str, form: Form) -> Curve | None:
    if not len(series):
        return None
    per_epoch = batches_per_epoch(run)
    return Curve(series, run.state.first_step / per_epoch, per_epoch, style, form)


AVERAGED = "○"
"""The sign of an averaged model's test results."""


def marks_of_tests(run: Run, what: str, sign: str, *, averaged: bool = False) -> Marks:
    """Return the run's test results: `loss` or `accuracy`, at the epoch they were made.

    Args:
        averaged: whether the averaged model's are wanted, in place of the model's own.
    """
    per_epoch = batches_per_epoch(run)
    results = [result for result in run.state.evaluations if result.averaged == averaged]
    pairs = [(result.step / per_epoch, getattr(result, what)) for result in results]
    pairs = [(x, y) for x, y in pairs if y is not None]
    return Marks([x for x, _ in pairs], [y for _, y in pairs], line_style(run), sign)


def sign_of(run: Run, scene: Scene) -> str:
    """Return the sign of the run's test results: a dot alone, a letter each where several runs are drawn."""
    if len(scene.shown) < 2:
        return "●"
    return LETTERS[(run.number - 1) % len(LETTERS)]


def legend(scene: Scene) -> str:
    """Return which sign is which run, where several are drawn."""
    if len(scene.shown) < 2:
        return ""
    return "  ".join(f"{sign_of(run, scene)} #{run.number}" for run in scene.shown)
