"""`lrtui attach-snippet`: prints the lines that attach a training script."""

from __future__ import annotations

import click

from lrtui.attached.snippets import SNIPPETS
from lrtui.cli.command import Command, argument

EPILOG = """\
Examples:
  lrtui attach-snippet
  lrtui attach-snippet lightning
"""


@click.command(cls=Command, epilog=EPILOG)
@argument(
    "framework",
    type=click.Choice([*SNIPPETS]),
    required=False,
    default="plain",
    help="What the script is written with (default: plain PyTorch).",
)
def command(framework: str) -> int:
    """lrtui.attach, or the callback of a framework, shows a script's training in the cockpit and lets its lr be
    controlled from there. The lines with lrtui and run are those to add; the rest is the script.
    """
    print(SNIPPETS[framework], end="")
    return 0
