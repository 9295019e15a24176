"""`lrtui runs rename`: a run's name."""

from __future__ import annotations

import argparse
import sys

from lrtui.cli.runs.opened_store import find, folder_of, reading, title_of
from lrtui.run.errors import UsageError
from lrtui.store.reader import LAST
from lrtui.store.transaction import transaction
from lrtui.text.format import counted

EPILOG = """\
an empty name takes it away. Of runs of one name the newest is meant by it.

examples:
  lrtui runs rename last "long warm-up"
  lrtui runs rename 3 ""
"""

LONGEST = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("name", metavar="NAME", nargs="+", help="one line; no number, and not last")


def main(namespace: argparse.Namespace) -> int:
    """Rename, and return the exit status."""
    name = " ".join(namespace.name).strip()
    check_name(name)
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        run = find(connection, namespace.run)
        others = connection.execute("SELECT count(*) FROM runs WHERE name = ? AND id != ?", (name, run.id)).fetchone()[
            0
        ]
    with transaction(folder) as connection:
        connection.execute("UPDATE runs SET name = ? WHERE id = ?", (name or None, run.id))
    also = f"; {counted(others, 'other run')} of that name: the newest is meant by it" if others else ""
    print(f"{title_of(run)} is {name if name else 'without a name'} now{also}", file=sys.stderr)
    return 0


def check_name(name: str) -> None:
    """Refuse a name that would mean another run, or that a terminal would obey.

    Raises:
        UsageError: says what a name is.
    """
    word = name.removeprefix("#")
    try:
        float(word)
        is_number = any(map(str.isdigit, word))
    except ValueError:
        is_number = False
    if is_number or name.lower() == LAST:
        meant = "the newest run" if name.lower() == LAST else "an id"
        raise UsageError(f"{name[:40]!r} can't be a name: it would be taken for {meant}")
    if not name.isprintable():
        raise UsageError("a name is one line of characters that can be seen")
    if len(name) > LONGEST:
        raise UsageError(f"a name has at most {LONGEST} characters; lrtui runs note takes longer texts")
