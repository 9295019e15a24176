"""`lrtui runs export`: exports a run for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from lrtui.cli.command import Command, option
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.store.output_file import write_file
from lrtui.store.run_export import csv_lines, group_count, json_lines, metric_columns, stored_events
from lrtui.text.format import counted

EPILOG = """\
Formats:
  csv          a row per step: step, epoch, batch, seconds, loss, lr (lr_0, lr_1 ... with several parameter groups) and
               the metrics of the steps, at full precision; a value that is not finite is nan, inf or -inf, and
               one that was not logged is empty; of a log, a loss that is not finite is nan
  json         every event as a JSON object, one per line, as lrtui train --json prints them
  tensorboard  a folder (--out) of event files: train/loss, lr (lr/GROUP), test/loss, test/accuracy, test/METRIC by
               step; needs the package: pip install 'lrtui[tensorboard]'

Examples:
  lrtui runs export last --format csv > run.csv
  lrtui runs export 3 --format tensorboard --out tb/3
"""

FORMATS = ("csv", "json", "tensorboard")


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@option("--format", "file_format", type=click.Choice(FORMATS), default="csv", help="(default: csv)")
@option("--out", metavar="PATH", help="where to write (default: standard output)", type=click.Path())
@store_option()
def command(run: str, file_format: str, out: str | None, store: str | None) -> int:
    """A branch is exported without the steps of the run it started from."""
    if file_format == "tensorboard" and not out:
        raise UsageError("--format tensorboard needs a folder: set --out PATH")
    with reading(folder_of(store)) as connection:
        stored = find(connection, run)
        events = stored_events(connection, stored.id)
        if file_format == "tensorboard":
            # event files need the tensorboard package
            from lrtui.store.tensorboard_export import write_event_files

            points = write_event_files(events, Path(str(out)), stored.created)
            print_prose(f"{counted(points, 'point')} in {out}", sys.stderr)
        elif file_format == "csv":
            # the first line is the header
            lines = csv_lines(
                events,
                metric_columns(connection, stored.id),
                group_count(connection, stored.id),
                has_times=not stored.spec.is_log or stored.seconds > 0,
            )
            _write(lines, out, "row", header_lines=1)
        else:
            _write(json_lines(events), out, "event")
    return 0


def _write(lines: Iterable[str], out: str | None, noun: str, *, header_lines: int = 0) -> None:
    """Write the lines; for a file, report its path and how many `noun`s it has."""
    if out is None:
        sys.stdout.writelines(lines)
        return
    count = -header_lines

    def counting() -> Iterator[str]:
        nonlocal count
        for text in lines:
            count += text.count("\n")
            yield text

    write_file(out, counting())
    print_prose(f"{counted(max(0, count), noun)} in {out}", sys.stderr)
