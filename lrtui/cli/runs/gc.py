"""`lrtui runs gc`: makes a store as small as what is in it."""

from __future__ import annotations

import argparse

from lrtui.cli.runs.opened_store import folder_of, reading
from lrtui.store.garbage import Garbage, collect_garbage, find_garbage
from lrtui.text.format import counted, size_words

EPILOG = """\
removed are: what runs said after the checkpoint that they were resumed at (nothing shows it), the checkpoints of runs
that were deleted, but for those that a branch began with, temporary files, and commands that were answered a day ago.
runs that are going on are left alone.

examples:
  lrtui runs gc --dry-run
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def main(namespace: argparse.Namespace) -> int:
    """Remove, and return the exit status."""
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        leftovers = find_garbage(connection, folder)
    if namespace.dry_run:
        print(f"would remove {_words(leftovers)}")
        return 0
    removed = collect_garbage(folder)
    print(f"removed {_words(removed.leftovers)}")
    print(f"freed {size_words(removed.freed)}")
    if removed.trouble:
        print(f"the database keeps its size for now: {removed.trouble}")
    return 0


def _words(leftovers: Garbage) -> str:
    parts = [
        counted(leftovers.rows, "superseded row"),
        f"{counted(len(leftovers.checkpoints), 'checkpoint file')} of deleted runs",
        counted(len(leftovers.temporary), "temporary file"),
        counted(leftovers.commands, "old command"),
    ]
    return f"{', '.join(parts)} ({size_words(leftovers.file_size)} in files)"
