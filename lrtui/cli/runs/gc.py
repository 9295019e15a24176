"""`lrtui runs gc`: removes data that no run needs any more."""

from __future__ import annotations

import click

from lrtui.cli.command import Command, option
from lrtui.cli.stored_runs import folder_of, reading, store_option
from lrtui.store.garbage import Garbage, collect_garbage, find_garbage
from lrtui.text.format import counted, format_size

EPILOG = """\
Examples:
  lrtui runs gc --dry-run
"""


@click.command(cls=Command, epilog=EPILOG)
@option("--dry-run", is_flag=True, help="only print what would be removed")
@store_option()
def command(dry_run: bool, store: str | None) -> int:
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
        counted(garbage.commands, "old command"),
    ]
    return f"{', '.join(parts)} ({format_size(garbage.file_size)} in files)"
