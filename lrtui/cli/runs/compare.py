"""`lrtui runs compare`: runs beside each other."""

from __future__ import annotations

import argparse
import json

from lrtui.cli.runs.opened_store import find_all, folder_of, reading
from lrtui.run.errors import UsageError

EPILOG = """\
a * marks the best. Seconds are training time, pauses left out; a run that ended before a moment has no figure there.

examples:
  lrtui runs compare 3 5
  lrtui runs compare baseline last --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="an id, a name, or last; two of them or more")
    parser.add_argument("--json", action="store_true", help="print one JSON object, without the chart")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    with reading(folder_of(namespace.store)) as connection:
        runs = find_all(connection, namespace.runs)
        if len(runs) < 2:
            raise UsageError(f"comparing takes two runs or more, and {' '.join(namespace.runs)[:60]!r} is one")
        # numpy takes 60 ms to import, and `runs list` reads this module too
        from lrtui.cli.runs.comparison_page import page_lines, page_record, print_chart_of
        from lrtui.cli.runs.run_story import read_story
        from lrtui.run.comparison import compare

        states = [read_story(connection, run).state for run in runs]
    comparison = compare(states)
    if namespace.json:
        print(json.dumps(page_record(runs, states, comparison), allow_nan=False))
        return 0
    for line in page_lines(runs, states, comparison):
        print(line)
    print_chart_of(runs, states, comparison)
    return 0
