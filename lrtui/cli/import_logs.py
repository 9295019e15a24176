"""`lrtui import`: stores the runs in logs of other programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lrtui.cli.command import Command, option
from lrtui.cli.log_options import all_items, log_arguments, no_logs, read_all, sources_opener
from lrtui.cli.stored_runs import folder_of, store_option
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.text.format import printable

if TYPE_CHECKING:
    from pathlib import Path

    from lrtui.run.recorded_curve import RecordedCurve
    from lrtui.run.source import RunSummary
    from lrtui.sources.source import LogSource

EPILOG = """\
Examples:
  lrtui import runs/
  lrtui import runs/baseline --name baseline
  lrtui import log.csv --map loss=train_nll && lrtui runs show last
"""


@click.command(cls=Command, epilog=EPILOG)
@log_arguments()
@option("--name", metavar="TEXT", help="a name for the run, if there is one (default: its path under PATH)")
@store_option()
def command(paths: tuple[str, ...], mappings: tuple[str, ...], name: str | None, store: str | None) -> int:
    """Every run that is found under PATH becomes a run of the store, which lrtui runs lists, shows, compares and
    exports. What its log does not say, such as the batch size, stays unknown. Importing a log again replaces what was
    stored of it, under the same number.
    """
    # a bad name is refused before anything is read
    RunSpec(name=name)
    folder = folder_of(store)
    runs = read_all(sources_opener(paths, mappings)())
    if not runs:
        print_prose(f"lrtui import: {no_logs(paths)}", sys.stderr)
        return 1
    if name is not None and len(runs) > 1:
        raise UsageError(f"--name names one run, but there are {len(runs):,} in {', '.join(map(printable, paths))}")
    has_failed = False
    for source, run in runs:
        assert run.log is not None
        try:
            number = _import(folder, source, run, name)
        except LrtuiError as error:
            print_prose(f"lrtui import: {printable(str(error))}", sys.stderr)
            has_failed = True
            continue
        going_on = " (still being written: import it again later)" if run.is_live else ""
        print(f"imported {printable(run.log.path)} as run #{number}{going_on}", flush=True)
    return 1 if has_failed else 0


def _import(folder: Path, source: LogSource, run: RunSummary, name: str | None) -> int:
    # imports sqlite3 and numpy, which --help does not need
    from lrtui.sources.log_curve import curve_of_log
    from lrtui.store.log_import import RunOfLog, import_run

    assert run.log is not None
    key = run.id.key

    def curve() -> RecordedCurve:
        return curve_of_log(source.log(key), None, is_over=not run.is_live)

    found = RunOfLog(
        run.log,
        str(key),
        run.created,
        run.created + run.seconds if run.seconds else None,
        "stopped" if run.is_live else "done",
        curve,
    )
    return import_run(folder, found, all_items(source, run, in_full=None), name)
