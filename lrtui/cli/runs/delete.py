"""`lrtui runs delete` deletes runs, and `lrtui runs gc` removes data that no run needs any more."""

from __future__ import annotations

import sys

import click

from lrtui.cli.command import Command, option
from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.stored_runs import find_all, folder_of, reading, run_argument, store_option, title_of
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.store.columns import epochs_done
from lrtui.store.garbage import Garbage, collect_garbage, find_garbage
from lrtui.store.removal import delete_runs, refuse_deletion
from lrtui.text.format import counted, format_size, printable

DELETE_EPILOG = """\
Examples:
  lrtui runs delete 3 4
  lrtui runs delete "first try" --yes
"""


@click.command(cls=Command, epilog=DELETE_EPILOG)
@run_argument("runs", nargs=-1, required=True, help_text="The runs: ids, names, or last.")
@option("--yes", is_flag=True, help="do not ask")
@store_option()
def delete(runs: tuple[str, ...], yes: bool, store: str | None) -> int:
    """Live runs are not deleted. Checkpoints are deleted too, except those that a branch started from, and the
    output of commands. Run lrtui runs gc to shrink the database file afterwards.
    """
    folder = folder_of(store)
    with reading(folder) as connection:
        found = find_all(connection, runs)
    refuse_deletion(folder, found)
    if not yes:
        if not (sys.stdin and sys.stdin.isatty()):
            raise UsageError("can't ask for confirmation without a terminal; --yes deletes without asking")
        for run in found:
            about = f"{run.state}, {epochs_done(run)} of {run.spec.length}, {run.schedule}"
            print_prose(f"{title_of(run)}: {printable(about)}", sys.stderr)
        print(f"delete {counted(len(found), 'run')} with all checkpoints? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            print_prose("nothing was deleted", sys.stderr)
            return FAILED
    removed = delete_runs(folder, [run.id for run in found])
    print_prose(f"deleted {', '.join(map(title_of, found))}", sys.stderr)
    if removed.files:
        print_prose(f"removed {counted(removed.files, 'file')}, {format_size(removed.size)}", sys.stderr)
    for path in removed.in_use:
        print_prose(f"kept {printable(str(path))}: a branch started from it", sys.stderr)
    return DONE


GC_EPILOG = """\
Examples:
  lrtui runs gc --dry-run
"""


@click.command(cls=Command, epilog=GC_EPILOG)
@option("--dry-run", is_flag=True, help="only print what would be removed")
@store_option()
def gc(dry_run: bool, store: str | None) -> int:
    """Removes superseded rows (events after the checkpoint that a run was resumed from), checkpoints of deleted runs
    except those that a branch started from, temporary files, and commands answered more than a day ago. Live runs are
    not changed.
    """
    folder = folder_of(store)
    with reading(folder) as connection:
        garbage = find_garbage(connection, folder)
    if dry_run:
        print(f"would remove {_describe(garbage)}")
        return 0
    removed = collect_garbage(folder)
    print(f"removed {_describe(removed.leftovers)}")
    print(f"freed {format_size(removed.freed)}")
    if removed.trouble:
        print(f"the database keeps its size for now: {removed.trouble}")
    return 0


def _describe(garbage: Garbage) -> str:
    parts = [
        counted(garbage.rows, "superseded row"),
        f"{counted(len(garbage.checkpoints), 'checkpoint file')} of deleted runs",
        counted(len(garbage.temporary), "temporary file"),
        *([f"{counted(len(garbage.outputs), 'file')} of output of deleted runs"] if garbage.outputs else []),
        counted(garbage.commands, "old command"),
    ]
    return f"{', '.join(parts)} ({format_size(garbage.file_size)} in files)"
