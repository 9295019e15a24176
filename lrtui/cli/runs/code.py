"""`lrtui runs code`: the schedule of a run as PyTorch code, with what was done to it by hand."""

from __future__ import annotations

import argparse

from lrtui.cli.runs.opened_store import find, folder_of, reading

EPILOG = """\
a script that has the run's lr at every step, exactly: its switches, nudges and undos are in it, those of the runs that
it branched from as well, and what the script of a run under way has still to do. Nothing of the user's own is run to
write it. Put your own model and data where the script says so.

examples:
  lrtui runs code last > train.py
  lrtui runs code "long warm-up"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    with reading(folder_of(namespace.store)) as connection:
        run = find(connection, namespace.run)
        # numpy takes 60 ms to import, and `runs list` reads this module too
        from lrtui.engine.run_code import code_of_stored

        code = code_of_stored(connection, run)
    print(code, end="")
    return 0
