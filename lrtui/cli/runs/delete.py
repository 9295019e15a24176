"""`lrtui runs delete`: runs and their checkpoints, for good."""

from __future__ import annotations

import argparse
import sys

from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.runs.opened_store import find_all, folder_of, reading, title_of
from lrtui.run.errors import UsageError
from lrtui.store.columns import epochs_done
from lrtui.store.removal import delete_runs, refuse_live
from lrtui.text.format import counted, printable, size_words

EPILOG = """\
runs that are going on are not deleted. Checkpoints go too, but for those that a branch began with: the branches live
on. lrtui runs gc gives the database's room back to the disk.

examples:
  lrtui runs delete 3 4
  lrtui runs delete "first try" --yes
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="an id, a name, or last")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def main(namespace: argparse.Namespace) -> int:
    """Delete, and return the exit status."""
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        runs = find_all(connection, namespace.runs)
    refuse_live(runs)
    if not namespace.yes:
        if not (sys.stdin and sys.stdin.isatty()):
            raise UsageError("deleting asks first, and here is nobody to answer: --yes deletes without asking")
        for run in runs:
            about = f"{run.state}, {epochs_done(run)} of {counted(run.spec.epochs, 'epoch')}, {run.schedule}"
            print(f"{title_of(run)}: {printable(about)}", file=sys.stderr)
        print(f"delete {counted(len(runs), 'run')} with all checkpoints? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print("nothing was deleted", file=sys.stderr)
            return FAILED
    removed = delete_runs(folder, [run.id for run in runs])
    print(f"deleted {', '.join(map(title_of, runs))}", file=sys.stderr)
    if removed.files:
        print(f"removed {counted(removed.files, 'file')}, {size_words(removed.size)}", file=sys.stderr)
    for path in removed.kept:
        print(f"kept {printable(str(path))}: a branch began with it", file=sys.stderr)
    return DONE
