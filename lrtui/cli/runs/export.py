"""`lrtui runs export`: a run for other programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from lrtui.cli.runs.opened_store import find, folder_of, reading
from lrtui.run.errors import StoreError, UsageError

EPILOG = """\
csv          a row a step: step, epoch, batch, seconds, loss, lr (lr_0, lr_1 ... with several parameter groups), at full
             precision; a loss that is not finite is nan, inf or -inf
json         every event as a JSON object, one a line, as lrtui train --json prints them
tensorboard  a folder (--out) of event files: train/loss, lr (lr/GROUP), test/loss, test/accuracy, test/METRIC by step;
             needs the package: pip install 'lrtui[tensorboard]'

of a branch its own steps are written, not those of the run that it began at.

examples:
  lrtui runs export last --format csv > run.csv
  lrtui runs export 3 --format tensorboard --out tb/3
"""

FORMATS = ("csv", "json", "tensorboard")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="(default: csv)")
    parser.add_argument("--out", metavar="PATH", help="where to write (default: standard output)")


def main(namespace: argparse.Namespace) -> int:
    """Write, and return the exit status."""
    if namespace.format == "tensorboard" and not namespace.out:
        raise UsageError("TensorBoard reads folders: --out PATH names the one to write")
    with reading(folder_of(namespace.store)) as connection:
        run = find(connection, namespace.run)
        # numpy takes 60 ms to import, and `runs list` reads this module too
        from lrtui.store.run_export import csv_lines, json_lines, metric_columns, stored_events

        story = stored_events(connection, run.id)
        if namespace.format == "tensorboard":
            from lrtui.store.tensorboard_export import write_event_files

            points = write_event_files(story, Path(namespace.out), run.created)
            print(f"{points:,} points in {namespace.out}", file=sys.stderr)
        elif namespace.format == "csv":
            _write(csv_lines(story, metric_columns(connection, run.id)), namespace.out)
        else:
            _write(json_lines(story), namespace.out)
    return 0


def _write(lines: Iterable[str], out: str | None) -> None:
    if out is None:
        sys.stdout.writelines(lines)
        return
    # a file that was there stays whole until the new one is
    partial = Path(f"{out}.part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)
        partial.replace(out)
    except OSError as error:
        raise StoreError(f"{out} can't be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)
