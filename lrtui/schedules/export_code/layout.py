"""Python source text: calls broken at the line width, comments, and import statements."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import PurePath

from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.text.format import printable

WIDTH = 88
"""Columns per line, the default of Python's formatters."""

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Args:
        name: name of the function or class.
        arguments: (name or "", value) pairs; a value is text, a call, or a list of them.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...]


Value = str | Call | list["Value"]


def call_lines(before: str, value: Value, after: str = "", depth: int = 0) -> list[str]:
    """Return the lines of `before value after`, indented.

    Args:
        depth: depth of the indent.
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


def spaced(lines: Sequence[str]) -> list[str]:
    """Return the lines with blank lines as PEP 8 asks: two around definitions, at most one elsewhere."""
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
            texts = [f"{each}={_one_line(part)}" if each else _one_line(part) for each, part in arguments]
            return f"{name}({', '.join(texts)})"
    return f"[{', '.join(_one_line(part) for part in value)}]"


def _filled(items: list[str], depth: int) -> list[str]:
    """Return the items of a list, as many per line as fit."""
    lines, line = [], INDENT * depth
    for item in items:
        if line.strip() and len(line) + len(item) + 1 > WIDTH:
            lines.append(line.rstrip())
            line = INDENT * depth
        line += f"{item}, "
    return [*lines, line.rstrip()]


LONGEST = 200


def comment_line(text: str) -> str:
    """Return the text as a comment of one line."""
    line = printable(" ".join(text.split()))
    return f"# {line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}"


HELD_CLASS = "HeldOneCycleLR"
FLOOR_CLASS = "LambdaLRWithFloor"
WARMUP_CLASS = "Warmup"
COUNTED_CLASS = "CountedScheduler"

RESERVED = frozenset(
    (
        *(name for name, entry in CATALOGUE.items() if entry.is_pytorch),
        *(
            HELD_CLASS,
            FLOOR_CLASS,
            WARMUP_CLASS,
            COUNTED_CLASS,
            "torch",
            "nn",
            "optim",
            "math",
            "runpy",
            "model",
            "optimizer",
            "scheduler",
        ),
    )
)
"""Names that a script defines or imports itself."""


class Imports:
    """The names that a script imports."""

    def __init__(self) -> None:
        self._modules: set[str] = set()
        self._names: dict[str, set[str]] = {}
        self._user_names: dict[tuple[str, str], str] = {}
        self.holds_one_cycle = False
        """Whether a OneCycleLR ends before the run."""
        self.functions: dict[str, list[str]] = {}
        """Source lines of the functions that the script defines, by name."""
        self.uses_floor = False
        """Whether a function of the step ends at a given lr."""
        self.uses_warmup = False
        """Whether there is a warmup around another scheduler."""
        self.uses_counted = False
        """Whether there is a scheduler of timm."""

    def module(self, name: str) -> None:
        """Import a module of the standard library."""
        self._modules.add(name)

    def name(self, module: str, name: str) -> str:
        """Import a name from a module, and return it."""
        self._names.setdefault(module, set()).add(name)
        return name

    def scheduler(self, entry: SchedulerEntry, *, held: bool = False) -> str:
        """Import the class of a scheduler, and return its name in the script."""
        if not entry.is_pytorch:
            return self.user_class(entry.module, entry.name)
        self.name(entry.module, entry.name)
        if held:
            self.holds_one_cycle = True
            return HELD_CLASS
        return entry.name

    def function(self, name: str, lines: Callable[[str], list[str]]) -> str:
        """Define a function of the script once, and return its name: a numbered one if the name is taken.

        Args:
            lines: returns the source of the function with a given name.
        """
        for number in count(1):
            numbered = name if number == 1 else f"{name}{number}"
            if self.functions.setdefault(numbered, lines(numbered)) == lines(numbered):
                return numbered
        raise AssertionError("count() has no end")

    def floor_class(self) -> str:
        """Define the script's LambdaLR with a floor, and return its name."""
        self.name("torch.optim.lr_scheduler", "LambdaLR")
        self.uses_floor = True
        return FLOOR_CLASS

    def warmup_class(self) -> str:
        """Define the script's warmup around another scheduler, and return its name."""
        self.uses_warmup = True
        return WARMUP_CLASS

    def counted_class(self) -> str:
        """Define the script's class around a scheduler of timm, and return its name."""
        self.uses_counted = True
        return COUNTED_CLASS

    def user_class(self, place: str, name: str) -> str:
        """Import a user's class, and return its name in the script: an alias if the name is taken."""
        if (place, name) not in self._user_names:
            number, alias = 1, name
            while alias in RESERVED or alias in self._user_names.values():
                number += 1
                alias = f"{name}{number}"
            self._user_names[place, name] = alias
        return self._user_names[place, name]

    def lines(self) -> list[str]:
        """Return the import statements: standard library, torch, then the user's modules."""
        user = self._user_lines()
        standard = [f"import {name}" for name in sorted(self._modules)]
        standard += [line for module in ("collections", "fnmatch", "itertools") for line in self._from(module)]
        torch = ["import torch", *self._from("torch"), *self._from("torch.optim.lr_scheduler")]
        torch += self._from("torch.optim.swa_utils")
        return [line for part in (standard, torch, user) if part for line in (*part, "")]

    def _from(self, module: str) -> list[str]:
        names = sorted(self._names.get(module, ()))
        line = f"from {module} import {', '.join(names)}"
        if len(line) > WIDTH:
            return [f"from {module} import (", *(f"{INDENT}{name}," for name in names), ")"]
        return [line] if names else []

    def _user_lines(self) -> list[str]:
        lines = []
        for (place, name), alias in self._user_names.items():
            renamed = "" if alias == name else f" as {alias}"
            path = PurePath(place)
            if place.endswith(".py") and _is_module(path.stem):
                where = (
                    f"put {path.name} beside this script"
                    if len(path.parts) == 1
                    else f"add the folder of {place!r} to PYTHONPATH"
                )
                lines.append(f"from {path.stem} import {name}{renamed}  # {where}")
            elif _is_module(place):
                lines.append(f"from {place} import {name}{renamed}")
            else:
                # the file name is not a valid module name
                self.module("runpy")
                lines.append(f"{alias} = runpy.run_path({place!r})[{name!r}]")
        return lines


def _is_module(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))
