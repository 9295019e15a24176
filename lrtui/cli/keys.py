"""`lrtui keys`: lists the cockpit's keys."""

from __future__ import annotations

import click

from lrtui.actions import key_rows
from lrtui.cli.command import Command, option


@click.command(cls=Command)
@option("--markdown", is_flag=True, help="print a Markdown table")
def command(markdown: bool) -> int:
    if markdown:
        print("| key | action |\n| --- | --- |")
    for keys, text in key_rows():
        if markdown:
            print(f"| {' '.join(f'`{key}`' for key in keys)} | {text} |")
        else:
            print(f"{' '.join(keys):<12} {text}")
    return 0
