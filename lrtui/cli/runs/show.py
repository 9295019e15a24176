"""`lrtui runs show`: all there is to know of a run."""

from __future__ import annotations

import argparse
import json

from lrtui.cli.runs.opened_store import find, folder_of, reading
from lrtui.store.columns import listed_run

EPILOG = """\
examples:
  lrtui runs show last
  lrtui runs show 3 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("--json", action="store_true", help="print one JSON object, without the charts")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        listed = listed_run(connection, find(connection, namespace.run))
        # numpy takes 60 ms to import, and `runs list` reads this module too
        from lrtui.cli.runs.run_page import page_lines, print_charts
        from lrtui.cli.runs.run_story import read_story, story_record

        story = read_story(connection, listed.run)
    if namespace.json:
        print(json.dumps(story_record(listed, story), allow_nan=False))
        return 0
    for line in page_lines(listed.run, story):
        print(line)
    print_charts(story.state)
    return 0
