"""`lrtui runs`: what a store has, to list, read, compare, export and put in order; one file a subcommand."""

from __future__ import annotations

import argparse
import io
import sys
from importlib import import_module

SUBCOMMANDS = {
    "list": "list the runs, filtered and sorted by anything that is known of them",
    "show": "show all there is to know of a run",
    "compare": "compare runs: what differs in the settings, then the results at equal epochs and equal seconds",
    "export": "write a run down as CSV, as its events in JSON, or for TensorBoard",
    "code": "write a run's schedule down as PyTorch code, with its switches and nudges",
    "rename": "give a run a name, or take it away",
    "note": "write a note to a run, or take it away",
    "delete": "delete runs with their checkpoints",
    "gc": "remove what no run needs any more",
}
"""The subcommands with what they do; each is a module of that name in this package."""

EPILOG = """\
RUN is an id, a name, or last (the newest). standard output has the data, everything else goes to standard error.

examples:
  lrtui runs list "accuracy>0.9 schedule~Cosine" --sort -best_accuracy
  lrtui runs show last
  lrtui runs compare 3 5 "long warm-up"
  lrtui runs export 3 --format tensorboard --out tb/3
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands with their words."""
    parsers = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", required=True)
    for name, about in SUBCOMMANDS.items():
        module = import_module(f"lrtui.cli.runs.{name}")
        own = parsers.add_parser(
            name,
            help=about,
            description=f"{about[:1].upper()}{about[1:]}.",
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(own)
        add_store_option(own)
        own.set_defaults(main=module.main)


def add_store_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the store."""
    parser.add_argument("--store", metavar="DIR", help="where the runs are kept (default: LRTUI_STORE, or .lrtui here)")


def main(namespace: argparse.Namespace) -> int:
    """Do what the subcommand does, and return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # where the terminal does not have a sign a question mark keeps the columns in line
        sys.stdout.reconfigure(errors="replace")
    status: int = namespace.main(namespace)
    return status
