"""A user's own scheduler class, from its module or file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.user_module import import_user_module, load_user_file


def load_own_class(place: str, name: str, text: str) -> type[Any]:
    """Return the class; runs the user's file or imports the user's module.

    Args:
        place: `package.module` or a path that ends in `.py`.
        name: of the class.
        text: the notation, for messages.

    Raises:
        NotationError: where there is no such file, module or class, or it is no LRScheduler.
    """
    from torch.optim.lr_scheduler import LRScheduler

    module = _load_file(place, text) if place.endswith(".py") else _import(place, text)
    found = getattr(module, name, None)
    if found is None:
        raise NotationError(f"{place} has no {name}", text, 0)
    if not (isinstance(found, type) and issubclass(found, LRScheduler)):
        raise NotationError(f"{place}:{name} is no subclass of torch.optim.lr_scheduler.LRScheduler", text, 0)
    return found


def _import(name: str, text: str) -> ModuleType:
    try:
        return import_user_module(name)
    except ImportError as error:
        raise NotationError(f"{name} can't be imported: {error}", text, 0) from None
    except (Exception, SystemExit) as error:  # a user's module can raise anything when it is run
        raise NotationError(f"{name} fails when it is imported: {type(error).__name__}: {error}", text, 0) from error


def _load_file(place: str, text: str) -> ModuleType:
    path = Path(place)
    if not path.expanduser().is_file():
        raise NotationError(f"there is no file {place}", text, 0)
    try:
        return load_user_file(path)
    except (Exception, SystemExit) as error:  # a user's file can raise anything when it is run
        raise NotationError(f"{place} fails when it is run: {type(error).__name__}: {error}", text, 0) from error
