"""Calls as lines of Python, broken where they are too long, as a formatter would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 88
"""Columns of a line: what Python's formatters take where nobody says otherwise."""

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Args:
        name: what is called.
        arguments: (name or "", value) pairs; a value is text, a call, or a list of them.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...]


Value = str | Call | list["Value"]


def call_lines(before: str, value: Value, after: str = "", depth: int = 0) -> list[str]:
    """Return the lines of `before value after`, indented.

    Args:
        depth: of the indent.
    """
    line = f"{INDENT * depth}{before}{_one_line(value)}{after}"
    if len(line) <= WIDTH or isinstance(value, str):
        return [line]
    if isinstance(value, Call):
        opening, closing = f"{value.name}(", ")"
        parts: Sequence[tuple[str, Value]] = value.arguments
    else:
        opening, closing = "[", "]"
        parts = [("", item) for item in value]
    if all(isinstance(part, str) and not name for name, part in parts) and not isinstance(value, Call):
        inner = _filled([str(part) for _, part in parts], depth + 1)
    else:
        inner = [text for name, part in parts for text in call_lines(f"{name}=" if name else "", part, ",", depth + 1)]
    return [f"{INDENT * depth}{before}{opening}", *inner, f"{INDENT * depth}{closing}{after}"]


def import_lines(module: str, names: Sequence[str]) -> list[str]:
    """Return the lines that import names from a module; none where there are none."""
    if not names:
        return []
    ordered = sorted(set(names))
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= WIDTH:
        return [line]
    return [f"from {module} import (", *(f"{INDENT}{name}," for name in ordered), ")"]


def spaced(lines: Sequence[str]) -> list[str]:
    """Return a script's lines with the blank ones that Python's style wants: two around what is defined, else one."""
    found: list[str] = []
    in_definition = False
    for line in lines:
        starts = line.startswith(("def ", "class "))
        ends = in_definition and bool(line) and not line.startswith((" ", "def ", "class "))
        if starts or ends:
            while found and not found[-1]:
                found.pop()
            found += ["", ""] if found else []
            in_definition = starts
        if line or (found and found[-1]):
            found.append(line)
    return found


def _one_line(value: Value) -> str:
    match value:
        case str():
            return value
        case Call(name=name, arguments=arguments):
            words = [f"{each}={_one_line(part)}" if each else _one_line(part) for each, part in arguments]
            return f"{name}({', '.join(words)})"
    return f"[{', '.join(_one_line(part) for part in value)}]"


def _filled(words: list[str], depth: int) -> list[str]:
    """Return a list's plain entries, as many in a line as fit."""
    lines, line = [], INDENT * depth
    for word in words:
        if line.strip() and len(line) + len(word) + 1 > WIDTH:
            lines.append(line.rstrip())
            line = INDENT * depth
        line += f"{word}, "
    return [*lines, line.rstrip()]
