"""Commands as JSON objects: the class in snake case under "command", and its fields."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from lrtui.run import commands
from lrtui.run.commands import Command, Hold, RangeTest


def _kind(command_class: type[Command]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", command_class.__name__).lower()


_CLASSES: dict[str, type[Command]] = {
    _kind(value): value
    for value in vars(commands).values()
    if isinstance(value, type) and issubclass(value, Command) and value not in (Command, Hold, RangeTest)
}
"""The commands that can be sent to another process; the others carry what only their own process has."""


def command_to_json(command: Command) -> dict[str, Any]:
    """Return the command as a dict of plain JSON values, its id included.

    Raises:
        ValueError: for a command that only its own process can take.
    """
    if type(command) not in _CLASSES.values():
        raise ValueError(f"{command.text} can't be sent to another process")
    return {"command": _kind(type(command)), **{item.name: getattr(command, item.name) for item in fields(command)}}


def command_from_json(record: Mapping[str, Any]) -> Command:
    """Return the command that `command_to_json` made the record from.

    Raises:
        ValueError: for an unknown command.
    """
    values = dict(record)
    kind = values.pop("command", None)
    if kind not in _CLASSES:
        raise ValueError(f"unknown command {kind!r}; known are {', '.join(sorted(_CLASSES))}")
    return _CLASSES[kind](**values)
