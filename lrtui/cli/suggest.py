"""`lrtui suggest`: a schedule for a task, within a budget."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import require_store
from lrtui.analysis.suggest.range_test import find_lr
from lrtui.analysis.suggest.report import reason_lines, suggestion_record
from lrtui.analysis.suggest.search import DEFAULT_BUDGET, Search, SearchStoppedError
from lrtui.cli.options import add_run_options, check_words, read_number, read_spec, told_settings
from lrtui.cli.signals import stopping_on_signals
from lrtui.run.errors import UsageError
from lrtui.store.location import store_folder
from lrtui.text.format import printable
from lrtui.text.numbers import four_digits

EPILOG = """\
first a range test for the lr; then a short race over schedules that fit the run's length, yours among them, each with
its whole course in fewer epochs, the best two of them longer; then the winner in full, so that what is told of it was
seen. The budget counts all of it in whole runs (1 is as many steps as the run has); below 1 the winner is not run in
full. The races are kept in the store, and lrtui race --report shows them.

standard output has the recommended notation, in one line; what it is based on goes to standard error.

examples:
  lrtui suggest
  lrtui suggest --task my_task.py:MyTask --optimizer "SGD(lr=0.1, momentum=0.9)" --epochs 20 --budget 3
  lrtui train "$(lrtui suggest --quiet)"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's text."""
    parser.add_argument("schedule", metavar="SCHEDULE", nargs="?", help="your schedule, which the others must beat")
    parser.add_argument("--budget", metavar="X", help=f"in whole runs (default: {DEFAULT_BUDGET:g})")
    parser.add_argument("--processes", metavar="N", help="runs at once, each in its own process (default: 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all that it is based on")
    parser.add_argument("--quiet", action="store_true", help="no narration but what the suggestion is based on")
    add_run_options(parser)


def main(namespace: argparse.Namespace) -> int:
    """Search, print the suggestion, and return the exit status."""
    budget = DEFAULT_BUDGET if namespace.budget is None else read_number("--budget", namespace.budget)
    processes = 1 if namespace.processes is None else int(read_number("--processes", namespace.processes, whole=True))
    if not budget > 0:
        raise UsageError("--budget takes a number of whole runs above 0, such as 2")
    spec = read_spec(namespace, namespace.schedule, told_settings().run)
    check_words(spec)
    if spec.at:
        raise UsageError("--at has no part in a suggestion: a schedule is looked for that needs no hand in mid-run")
    files = PlanFiles(require_store(store_folder(namespace.store)))

    def say(line: str) -> None:
        if not namespace.quiet:
            print(printable(line), file=sys.stderr, flush=True)

    search = Search(spec, budget, files, find_lr, say, processes=processes)
    say(f"searching for a schedule of {spec.epochs:,} epochs within {four_digits(budget)} full runs")
    # what a task prints goes beside the narration
    with contextlib.redirect_stdout(sys.stderr), stopping_on_signals(search.stop) as caught:
        try:
            suggestion = search.run()
        except SearchStoppedError as stopped:
            print(stopped, file=sys.stderr)
            return caught[0]
    if namespace.json:
        print(json.dumps(suggestion_record(suggestion), allow_nan=False))
        return 0
    for line in reason_lines(suggestion):
        print(printable(line), file=sys.stderr)
    print(suggestion.line)
    return 0
