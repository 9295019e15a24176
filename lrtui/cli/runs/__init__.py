"""`lrtui runs`: lists, shows, compares, exports and edits stored runs; one module per subcommand."""

from __future__ import annotations

import io
import sys

import click

from lrtui.cli.command import LazyGroup

SUBCOMMANDS = {
    "list": "List the runs, filtered and sorted by any column.",
    "show": "Show settings, results, changes and charts of a run.",
    "compare": "Compare runs: differing settings, results at equal epochs and at equal times.",
    "export": "Export a run as CSV, as JSON events, or for TensorBoard.",
    "code": "Write a run's schedule, with its switches and nudges, as PyTorch code.",
    "rename": "Name a run, or remove its name.",
    "note": "Write a note on a run, or remove it.",
    "delete": "Delete runs with their checkpoints.",
    "gc": "Remove data that no run needs any more.",
}
"""The subcommands with a summary; each is a module of that name in this package."""

EPILOG = """\
RUN is an id, a name, or last (the newest run). Data goes to standard output, everything else to standard error.

Examples:
  lrtui runs list "accuracy>0.9 schedule~Cosine" --sort -best_accuracy
  lrtui runs show last
  lrtui runs compare 3 5 "long warm-up"
  lrtui runs export 3 --format tensorboard --out tb/3
"""


@click.command(cls=LazyGroup, package=__name__, summaries=SUBCOMMANDS, epilog=EPILOG, no_args_is_help=False)
def command() -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # characters that the terminal lacks become question marks, which keep the columns aligned
        sys.stdout.reconfigure(errors="replace")
