"""`lrtui runs show`: shows the details of a run."""

from __future__ import annotations

import json

import click

from lrtui.cli.command import Command, option
from lrtui.cli.runs.run_details import details_record, page_lines, print_charts, read_details
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option

EPILOG = """\
Examples:
  lrtui runs show last
  lrtui runs show 3 --json
"""


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@option("--json", "as_json", is_flag=True, help="print one JSON object, without the charts")
@store_option()
def command(run: str, as_json: bool, store: str | None) -> int:
    with reading(folder_of(store)) as connection:
        stored = find(connection, run)
        details = read_details(connection, stored)
    if as_json:
        print(json.dumps(details_record(stored, details), allow_nan=False))
        return 0
    for line in page_lines(stored, details):
        print(line)
    print_charts(details.state)
    return 0
