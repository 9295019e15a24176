"""`lrtui suggest`: suggests a schedule for a task, within a budget of runs."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.suggest.range_test import find_lr
from lrtui.analysis.suggest.search import DEFAULT_BUDGET, MAX_BUDGET, Search, SearchStoppedError
from lrtui.analysis.suggest.suggestion import reason_lines, suggestion_record
from lrtui.cli.command import Command, option
from lrtui.cli.engine_options import engine_options, read_engine
from lrtui.cli.exit_codes import stop_on_signals
from lrtui.cli.optimizer_options import with_task_optimizer
from lrtui.cli.options import (
    check_notation,
    load_settings,
    parse_number,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.task_output import task_output_on_stderr
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.text.format import counted, printable

EPILOG = """\
Examples:
  lrtui suggest
  lrtui suggest --task my_task.py:MyTask --optimizer "SGD(lr=0.1, momentum=0.9)" --epochs 20 --budget 3
  lrtui train "$(lrtui suggest --quiet)"
"""


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument(required=False, help_text="Your schedule, which the others are compared with.")
@option("--budget", metavar="X", help=f"budget in full runs (default: {DEFAULT_BUDGET:g})")
@option("--json", "as_json", is_flag=True, help="print one JSON object with all the results")
@option("--quiet", is_flag=True, help="print no messages but the results that the suggestion is based on")
@engine_options()
@run_options()
def command(schedule: str | None, budget: str | None, as_json: bool, quiet: bool, **options: Any) -> int:
    """First a range test finds an lr. Then schedules that fit the run's length, yours among them, are raced: all over
    fewer epochs, each schedule shortened to fit, then the best two over more. Finally the winner is trained in full.
    The budget covers all of this; its unit is the number of steps of one full run. With a budget below 1 the winner is
    not trained in full. The races are stored; lrtui race --report shows them.

    The suggested schedule goes to standard output in one line, the results to standard error.
    """
    full_runs = DEFAULT_BUDGET if budget is None else _read_budget(budget)
    engine = read_engine(options)
    spec = read_spec(options, schedule, load_settings().run)
    check_notation(spec)
    spec = with_task_optimizer(spec)
    if spec.at:
        raise UsageError("--at can't be used with suggest, which searches for a schedule without manual changes")
    files = PlanFiles.of_store(options["store"])

    def say(line: str) -> None:
        if not quiet:
            print_prose(printable(line), sys.stderr)

    search = Search(spec, full_runs, files, find_lr, say, engine=engine)
    say(f"searching for a schedule of {spec.length}, with a budget of {counted(full_runs, 'full run')}")
    with task_output_on_stderr(), stop_on_signals(search.stop) as signals:
        try:
            suggestion = search.run()
        except SearchStoppedError as stopped:
            print_prose(str(stopped), sys.stderr)
            return signals[0]
    if as_json:
        print(json.dumps(suggestion_record(suggestion), allow_nan=False))
        return 0
    for line in reason_lines(suggestion):
        print_prose(printable(line), sys.stderr)
    print(suggestion.line)
    return 0


def _read_budget(text: str) -> float:
    """Return the number of full runs.

    Raises:
        UsageError: names the allowed numbers.
    """
    full_runs = parse_number(text)
    if not 0 < full_runs <= MAX_BUDGET:
        allowed = f"a number of full runs above 0 and at most {MAX_BUDGET:,}, such as 2"
        raise UsageError(f"--budget must be {allowed}, not {text[:40]!r}")
    return full_runs
