"""All traps. A module in this folder is found by its being there; it declares functions with `@trap` and a `SEVERITY`.

Modules with a lower `SEVERITY` come first, and within a module the functions come in their order. A trap that another
one's fix removes is not reported, so that a cause has to come before its effects.
"""

from __future__ import annotations

import importlib
import pkgutil

from lrtui.analysis.checks.trap import Trap


def find_traps() -> tuple[Trap, ...]:
    """Return the traps of all modules in this folder, the most severe first."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    modules.sort(key=lambda module: int(module.SEVERITY))
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Trap))


TRAPS = find_traps()
