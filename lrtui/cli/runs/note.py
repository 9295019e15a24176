"""`lrtui runs note`: what a user wants to remember of a run."""

from __future__ import annotations

import argparse
import sys

from lrtui.cli.runs.opened_store import find, folder_of, reading, title_of
from lrtui.run.errors import UsageError
from lrtui.store.transaction import transaction

EPILOG = """\
the note takes the place of the one before; an empty one takes it away.

examples:
  lrtui runs note last "collapsed until the lr was halved"
  lrtui runs note 3 ""
"""

LONGEST = 10_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("text", metavar="TEXT", nargs="+", help="may have several lines")


def main(namespace: argparse.Namespace) -> int:
    """Write the note down, and return the exit status."""
    # bytes of the command line that are no UTF-8 are in no database either
    text = " ".join(namespace.text).strip().encode(errors="backslashreplace").decode()
    if len(text) > LONGEST:
        raise UsageError(f"a note has at most {LONGEST:,} characters, and this one {len(text):,}")
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        run = find(connection, namespace.run)
    with transaction(folder) as connection:
        connection.execute("UPDATE runs SET note = ? WHERE id = ?", (text, run.id))
    print(f"{title_of(run)} has {'a' if text else 'no'} note now", file=sys.stderr)
    return 0
