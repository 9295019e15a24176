"""`lrtui runs code`: writes a stored run's schedule as PyTorch code."""

from __future__ import annotations

import click

from lrtui.cli.command import Command
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option

EPILOG = """\
Examples:
  lrtui runs code last > train.py
  lrtui runs code "long warm-up"
"""


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@store_option()
def command(run: str, store: str | None) -> int:
    """The code has exactly the run's lr at every step, with the changes made during the run, those of the runs it
    branched from, and those still scheduled by --at. No code of yours is run to write it. Put your own model and data
    where the comments say so.
    """
    # numpy takes 60 ms to import, and --help does not need it
    from lrtui.engine.run_code import code_of_stored

    with reading(folder_of(store)) as connection:
        code = code_of_stored(connection, find(connection, run))
    print(code, end="")
    return 0
