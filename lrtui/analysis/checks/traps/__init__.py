"""All traps. Every module in this folder is imported; it declares functions with `@trap` and an `ORDER`.

Modules are sorted by `ORDER`, the lowest and gravest first, and functions by their order in the module. A trap that the
fix of an earlier one removes is not reported, so a cause must come before its effects.
"""

from __future__ import annotations

import importlib
import pkgutil

from lrtui.analysis.checks.trap import Trap


def find_traps() -> tuple[Trap, ...]:
    """Return the traps of all modules in this folder, the most severe first."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    modules.sort(key=lambda module: int(module.ORDER))
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Trap))


TRAPS = find_traps()
