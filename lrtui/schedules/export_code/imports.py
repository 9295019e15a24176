"""What a script imports, collected while its calls are written."""

from __future__ import annotations

import keyword
from pathlib import PurePath

from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.export_code.layout import import_lines

HELD = "HeldOneCycleLR"

RESERVED = frozenset((*CATALOGUE, HELD, "torch", "nn", "optim", "math", "runpy", "model", "optimizer", "scheduler"))
"""Names that a script has a use for itself."""


class Imports:
    """Names that the script uses, and where they come from."""

    def __init__(self) -> None:
        self._modules: set[str] = set()
        self._names: dict[str, set[str]] = {}
        self._own: dict[tuple[str, str], str] = {}
        self.holds_cycles = False
        """Whether a OneCycleLR comes to its end before the run does."""

    def module(self, name: str) -> None:
        """Import a module of the standard library."""
        self._modules.add(name)

    def name(self, module: str, name: str) -> str:
        """Import a name from a module, and return it."""
        self._names.setdefault(module, set()).add(name)
        return name

    def scheduler(self, entry: SchedulerEntry, *, held: bool = False) -> str:
        """Import a scheduler's class, and return what the script calls it."""
        if not entry.module.startswith("torch."):
            return self._own.setdefault((entry.module, entry.name), entry.name)
        self.name(entry.module, entry.name)
        if held:
            self.holds_cycles = True
            return HELD
        return entry.name

    def own(self, place: str, name: str) -> str:
        """Import a user's own class, and return what the script calls it: a name of its own where two are alike."""
        if (place, name) not in self._own:
            count, alias = 1, name
            while alias in RESERVED or alias in self._own.values():
                count += 1
                alias = f"{name}{count}"
            self._own[place, name] = alias
        return self._own[place, name]

    def lines(self) -> list[str]:
        """Return the import statements: the standard library's, torch's, then the user's own."""
        own = self._own_lines()
        standard = [f"import {name}" for name in sorted(self._modules)]
        standard += [line for module in ("collections", "fnmatch", "itertools") for line in self._from(module)]
        torch = ["import torch", *self._from("torch"), *self._from("torch.optim.lr_scheduler")]
        torch += self._from("torch.optim.swa_utils")
        return [line for part in (standard, torch, own) if part for line in (*part, "")]

    def _from(self, module: str) -> list[str]:
        return import_lines(module, sorted(self._names.get(module, ())))

    def _own_lines(self) -> list[str]:
        lines = []
        for (place, name), alias in self._own.items():
            renamed = "" if alias == name else f" as {alias}"
            path = PurePath(place)
            if place.endswith(".py") and _is_module(path.stem):
                where = "beside this script" if len(path.parts) == 1 else f"the folder of {place!r} on PYTHONPATH"
                lines.append(f"from {path.stem} import {name}{renamed}  # {path.name}: {where}")
            elif _is_module(place):
                lines.append(f"from {place} import {name}{renamed}")
            else:
                # a file whose name no import statement can say
                self.module("runpy")
                lines.append(f"{alias} = runpy.run_path({place!r})[{name!r}]")
        return lines


def _is_module(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))
