"""`lrtui runs rename` names a run, and `lrtui runs note` writes a note on it."""

from __future__ import annotations

import sys

import click

from lrtui.cli.command import TextCommand, argument
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option, title_of
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.store.connection import transaction
from lrtui.store.reader import LAST
from lrtui.text.format import counted

RENAME_EPILOG = """\
Examples:
  lrtui runs rename last "long warm-up"
  lrtui runs rename 3 ""
"""

MAX_NAME_CHARACTERS = 200


@click.command(cls=TextCommand, epilog=RENAME_EPILOG)
@run_argument()
@argument(
    "parts",
    metavar="NAME...",
    nargs=-1,
    required=True,
    help="The new name: one line; neither a number nor the word 'last'.",
)
@store_option()
def rename(run: str, parts: tuple[str, ...], store: str | None) -> int:
    """An empty NAME removes the name. If several runs have the same name, it refers to the newest."""
    name = " ".join(parts).strip()
    check_name(name)
    folder = folder_of(store)
    with reading(folder) as connection:
        stored = find(connection, run)
        query = "SELECT count(*) FROM runs WHERE name = ? AND id != ?"
        others = connection.execute(query, (name, stored.id)).fetchone()[0]
    with transaction(folder) as connection:
        connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name or None, stored.id))
    renamed = f"{title_of(stored)}: renamed to {name}" if name else f"{title_of(stored)}: name removed"
    shared = f"; {counted(others, 'other run')} with that name: it refers to the newest" if others else ""
    print_prose(f"{renamed}{shared}", sys.stderr)
    return 0


def check_name(name: str) -> None:
    """Reject a name that could be another run's id, or that contains control characters.

    Raises:
        UsageError: says what is wrong with the name.
    """
    word = name.removeprefix("#")
    try:
        float(word)
        # float() also accepts nan and infinity, which are no ids
        is_number = any(map(str.isdigit, word))
    except ValueError:
        is_number = False
    if is_number or name.lower() == LAST:
        meant = "the newest run" if name.lower() == LAST else "an id"
        raise UsageError(f"{name[:40]!r} can't be a name: it would refer to {meant}")
    if not name.isprintable():
        raise UsageError("a name must be one line of printable characters")
    if len(name) > MAX_NAME_CHARACTERS:
        raise UsageError(f"a name has at most {MAX_NAME_CHARACTERS} characters; lrtui runs note takes longer texts")


NOTE_EPILOG = """\
Examples:
  lrtui runs note last "collapsed until the lr was halved"
  lrtui runs note 3 ""
"""

MAX_NOTE_CHARACTERS = 10_000


@click.command(cls=TextCommand, epilog=NOTE_EPILOG)
@run_argument()
@argument("parts", metavar="TEXT...", nargs=-1, required=True, help="The note; can have several lines.")
@store_option()
def note(run: str, parts: tuple[str, ...], store: str | None) -> int:
    """The note replaces the one before; an empty one removes it."""
    # bytes of the command line that are not UTF-8 can't be stored
    text = " ".join(parts).strip().encode(errors="backslashreplace").decode()
    if len(text) > MAX_NOTE_CHARACTERS:
        raise UsageError(f"a note has at most {MAX_NOTE_CHARACTERS:,} characters; this one has {len(text):,}")
    folder = folder_of(store)
    with reading(folder) as connection:
        stored = find(connection, run)
    with transaction(folder) as connection:
        connection.execute("UPDATE runs SET note = ? WHERE id = ?", (text, stored.id))
    print_prose(f"{title_of(stored)}: note {'written' if text else 'removed'}", sys.stderr)
    return 0
