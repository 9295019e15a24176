"""`lrtui keys`: lists the cockpit's keys."""

from __future__ import annotations

import click

from lrtui.actions import key_rows
from lrtui.cli.command import Command, option
from lrtui.cli.terminal import terminal_width
from lrtui.text.format import wrapped


@click.command(cls=Command)
@option("--markdown", is_flag=True, help="print a Markdown table")
def command(markdown: bool) -> int:
    if markdown:
        print("| key | action |\n| --- | --- |")
    for keys, text in key_rows():
        if markdown:
            print(f"| {' '.join(f'`{key}`' for key in keys)} | {text} |")
        else:
            print("\n".join(wrapped(f"{' '.join(keys):<12} {text}", terminal_width(), 13)))
    return 0
