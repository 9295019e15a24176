"""Every scheduler, declared once: each file here lists its entries in `SCHEDULERS`."""

from __future__ import annotations

import importlib
import pkgutil
from typing import get_args

from lrtui.schedules.catalogue.entry import Arguments, Family, Per, SchedulerEntry

__all__ = ["CATALOGUE", "Arguments", "Per", "SchedulerEntry", "find_schedulers"]


def find_schedulers() -> dict[str, SchedulerEntry]:
    """Return the entries of all files in this folder by name.

    They are in the order in which lists show them: by family, then by file.
    """
    modules = [importlib.import_module(f"{__name__}.{name}") for name in sorted(_file_names())]
    entries: list[SchedulerEntry] = [entry for module in modules for entry in getattr(module, "SCHEDULERS", ())]
    return {entry.name: entry for family in get_args(Family) for entry in entries if entry.family == family}


def _file_names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


CATALOGUE = find_schedulers()
"""The schedulers by name, in the order in which lists show them."""
