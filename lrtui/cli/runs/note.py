"""`lrtui runs note`: writes a note on a run."""

from __future__ import annotations

import sys

import click

from lrtui.cli.command import TextCommand, argument
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option, title_of
from lrtui.run.errors import UsageError
from lrtui.store.connection import transaction

EPILOG = """\
Examples:
  lrtui runs note last "collapsed until the lr was halved"
  lrtui runs note 3 ""
"""

MAX_CHARACTERS = 10_000


@click.command(cls=TextCommand, epilog=EPILOG)
@run_argument()
@argument("parts", metavar="TEXT...", nargs=-1, required=True, help="The note; can have several lines.")
@store_option()
def command(run: str, parts: tuple[str, ...], store: str | None) -> int:
    """The note replaces the one before; an empty one removes it."""
    # bytes of the command line that are not UTF-8 can't be stored
    text = " ".join(parts).strip().encode(errors="backslashreplace").decode()
    if len(text) > MAX_CHARACTERS:
        raise UsageError(f"a note has at most {MAX_CHARACTERS:,} characters; this one has {len(text):,}")
    folder = folder_of(store)
    with reading(folder) as connection:
        stored = find(connection, run)
    with transaction(folder) as connection:
        connection.execute("UPDATE runs SET note = ? WHERE id = ?", (text, stored.id))
    print(f"{title_of(stored)}: note {'written' if text else 'removed'}", file=sys.stderr)
    return 0
