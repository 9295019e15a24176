"""`lrtui runs compare`: compares stored runs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from lrtui.cli.charts import MARKERS, Curve, print_chart, print_legend, result_curve, run_label, run_ticks
from lrtui.cli.command import Command, option
from lrtui.cli.stored_runs import find_all, folder_of, reading, run_argument, store_option, title_of
from lrtui.cli.terminal import print_prose, terminal_width
from lrtui.run.comparison import Comparison, compare, comparison_lines, time_after
from lrtui.run.errors import UsageError
from lrtui.run.evaluations import ACCURACY, metric_of, objective_of
from lrtui.run.event_json import plain
from lrtui.run.events import GLYPHS
from lrtui.run.state import RunState
from lrtui.store.reader import StoredRun
from lrtui.store.store_feed import StoreFeed
from lrtui.text.format import counted, printable

EPILOG = """\
Examples:
  lrtui runs compare 3 5
  lrtui runs compare baseline last --json
"""

# one marker per run, because curves in Braille dots would look alike
RUN_MARKERS = MARKERS[1:]


@click.command(cls=Command, epilog=EPILOG)
@run_argument("runs", nargs=-1, required=True, help_text="Two runs or more: ids, names, or last.")
@option("--json", "as_json", is_flag=True, help="print one JSON object, without the chart")
@store_option()
def command(runs: tuple[str, ...], as_json: bool, store: str | None) -> int:
    """The best value is marked with *. Times are training time without pauses; a run has no value at a time
    after its end.
    """
    with reading(folder_of(store)) as connection:
        found = find_all(connection, runs)
        if len(found) < 2:
            raise UsageError(f"a comparison needs two different runs; {' '.join(runs)[:60]!r} is one")
        states = []
        for run in found:
            state = RunState()
            state.fold(StoreFeed(connection, run.id).take())
            states.append(state)
    comparison = compare(states)
    if as_json:
        records = [
            {"id": run.id, "name": run.name, "state": run.state, "step": run.step, "seconds": state.elapsed}
            for run, state in zip(found, states, strict=True)
        ]
        print(json.dumps({"runs": records, **plain(comparison)}, allow_nan=False))
        return 0
    for run, state in zip(found, states, strict=True):
        schedule = f"{printable(run.schedule)}, " if run.schedule else ""
        time = time_after(state.elapsed, is_log=run.spec.is_log)
        print_prose(f"{title_of(run)}: {GLYPHS[run.state]} {run.state}, {schedule}{counted(run.step, 'step')}{time}")
    for line in comparison_lines([f"#{run.id}" for run in found], states, comparison, terminal_width()):
        print_prose(line)
    print()
    _print_results(found, states, comparison)
    return 0


def _print_results(runs: Sequence[StoredRun], states: Sequence[RunState], comparison: Comparison) -> None:
    """Draw the results of the metric that decides: the task's `best`, or else the accuracy, or else the loss."""
    if not comparison.metrics:
        return
    name = objective_of([state.started for state in states], has_accuracy=ACCURACY in comparison.metrics).metric
    curves = []
    for index, state in enumerate(states):
        points = result_curve(state, lambda result: metric_of(result, name))
        curves.append(Curve(points.epochs, points.values, index, RUN_MARKERS[index % len(RUN_MARKERS)]))
    print(f"test {name}")
    print_chart(curves, run_ticks(*states), from_zero=False, is_share=name == ACCURACY, x_label=run_label(*states))
    for index, run in enumerate(runs):
        print_legend(RUN_MARKERS[index % len(RUN_MARKERS)], index, f"{title_of(run)} {printable(run.schedule)}")
