"""`lrtui schedulers`: lists the schedulers, or explains one."""

from __future__ import annotations

import json
import textwrap

import click

from lrtui.cli.command import Command, argument, option
from lrtui.cli.options import complete_schedulers
from lrtui.cli.terminal import terminal_width
from lrtui.run.errors import UsageError
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.schedule import value_text
from lrtui.text.format import wrapped

EPILOG = """\
Examples:
  lrtui schedulers
  lrtui schedulers OneCycleLR
"""

WIDTH = 100


@click.command(cls=Command, epilog=EPILOG)
@argument(
    "name", metavar="[NAME]", required=False, help="The scheduler to explain.", shell_complete=complete_schedulers
)
@option("--json", "as_json", is_flag=True, help="print a JSON object per scheduler")
def command(name: str | None, as_json: bool) -> int:
    if name is not None and name not in CATALOGUE:
        raise UsageError(f"unknown scheduler {name[:60]!r}{did_you_mean(name, CATALOGUE)}")
    entries = [CATALOGUE[name]] if name else list(CATALOGUE.values())
    if as_json:
        for entry in entries:
            print(json.dumps(_as_json(entry)))
    elif name:
        print(explain(entries[0]))
    else:
        for entry in entries:
            start = f"{entry.name:<28} per {entry.unit:<6} "
            print("\n".join(wrapped(start + entry.summary, terminal_width(), len(start))))
    return 0


def _default_text(parameter: Parameter) -> str:
    return "required" if parameter.is_required else value_text(parameter.default)


def explain(entry: SchedulerEntry) -> str:
    """Return a scheduler's page: arguments, defaults, notes and links."""
    width = min(WIDTH, terminal_width() or WIDTH)
    lines = [f"{entry.name}: {entry.summary}", "", f"  {entry.example}", "", "arguments:"]
    for parameter in entry.parameters:
        default = "filled in" if parameter.name in entry.fills else _default_text(parameter)
        lines.append(f"  {parameter.name:<16} {default:<22} {parameter.range_text}")
        lines += textwrap.wrap(parameter.help, width, initial_indent=" " * 19, subsequent_indent=" " * 19)
    lines += ["", f'step() is called per {entry.unit} by default; per="batch" or per="epoch" at the end changes that.']
    for name, value in entry.fills.items():
        lines.append(f"{name} defaults to {value}.")
    lines += entry.notes
    return "\n".join([*(part for line in lines for part in wrapped(line, width)), entry.url])


def _as_json(entry: SchedulerEntry) -> dict[str, object]:
    parameters = [
        {
            "name": parameter.name,
            "kind": parameter.kind,
            "required": parameter.is_required and parameter.name not in entry.fills,
            "default": None if parameter.is_required else parameter.default,
            "range": parameter.range_text,
            "help": parameter.help,
        }
        for parameter in entry.parameters
    ]
    return {
        "name": entry.name,
        "summary": entry.summary,
        "per": entry.unit,
        "parameters": parameters,
        "filled_in": dict(entry.fills),
        "notes": list(entry.notes),
        "example": entry.example,
        "url": entry.url,
    }
