"""The user's files, modules and scheduler classes, imported as Python itself would."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import random
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.run.spec import SCRIPT

COPIED_FOLDER, COPIED_FROM = "LRTUI_COPIED_FOLDER", "LRTUI_COPIED_FROM"
"""Environment variables of a process whose working directory is a copy of a folder of another machine: that folder, and
the working directory there."""

_LOADING = threading.Lock()
_drawing: set[Path] = set()
"""The files loaded that draw random numbers when they are run, such as the weights of a model."""
_loaded: dict[Path, tuple[int, str]] = {}
"""For each file loaded, its modification time in nanoseconds and its module's name."""


def user_file(place: str) -> Path:
    """Return the file that a notation names; in the process of a copied folder, the file in the copy."""
    path = Path(place).expanduser()
    if (folder := os.environ.get(COPIED_FOLDER)) is None:
        return path
    path = Path(os.path.normpath(os.environ[COPIED_FROM] / path))
    return Path.cwd() / path.relative_to(folder) if path.is_relative_to(folder) else path


def import_user_module(name: str) -> ModuleType:
    """Return the module of that dotted name; the working directory is searched, as with `python -m`.

    Raises:
        ImportError: if there is none.
        Exception: whatever the module raises, SystemExit included.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    with _LOADING:
        return importlib.import_module(name)


def load_user_file(path: Path, *, repeat_random: bool = False) -> ModuleType:
    """Return the file's module, the same each time until the file changes.

    As with `python FILE`, modules in its folder can be imported. The module is named after the file if that name is
    free, so that the worker processes of a data loader can import it.

    Args:
        path: the file.
        repeat_random: run the file again if it draws random numbers, so that they follow from the current seed.

    Raises:
        FileNotFoundError: if there is no such file.
        ImportError: if it is not a Python file, or imports a module that is not there.
        Exception: whatever the file raises, SystemExit included.
    """
    path = path.expanduser().resolve()
    # a preview and a run can ask for the same file at the same moment
    with _LOADING:
        changed = path.stat().st_mtime_ns
        before = _loaded.get(path)
        is_kept = not (repeat_random and path in _drawing)
        if is_kept and before is not None and before[0] == changed and before[1] in sys.modules:
            return sys.modules[before[1]]
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        name = before[1] if before else _free_name(path)
        states = _random_states()
        module = _run(path, name)
        if _random_states() == states:
            _drawing.discard(path)
        else:
            _drawing.add(path)
        _loaded[path] = (changed, name)
        return module


def _random_states() -> tuple[Any, ...]:
    """Return the states of the global random generators; None for those of packages that are not imported yet."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    return (
        random.getstate(),
        None if torch is None else torch.random.get_rng_state().numpy().tobytes(),
        None if numpy is None else numpy.random.get_state()[1].tobytes(),
    )


def _free_name(path: Path) -> str:
    name = path.stem
    if name.isidentifier() and name not in sys.modules:
        importlib.invalidate_caches()
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None and Path(found.origin) == path:
            return name
    return f"lrtui_file_{len(_loaded)}_{name}"


def _run(path: Path, name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    earlier = sys.modules.get(name)
    # dataclasses and pickle look a class's module up by its name
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if earlier is not None:
            sys.modules[name] = earlier
        raise
    return module


def load_user_attribute(path: str, name: str, text: str) -> Any:
    """Return what a user's file or module has under this name; runs the file or imports the module.

    Args:
        path: `package.module` or a path that ends in `.py`.
        name: name of the class or function.
        text: the notation, for messages.

    Raises:
        NotationError: if there is no such file, module or name.
    """
    is_file = path.endswith(".py")
    if is_file and not user_file(path).is_file():
        raise NotationError(f"there is no file {path}", text, 0)
    try:
        module = load_user_file(user_file(path)) if is_file else import_user_module(path)
    except (Exception, SystemExit) as error:  # a user's code can raise anything
        if isinstance(error, ImportError) and not is_file:
            raise NotationError(f"{path} can't be imported: {error}", text, 0) from None
        when = "run" if is_file else "imported"
        raise NotationError(f"{path} fails when it is {when}: {type(error).__name__}: {error}", text, 0) from error
    found = getattr(module, name, None)
    if found is None:
        raise NotationError(f"{path} has no {name}", text, 0)
    return found


def check_not_of_script(path: str | None, name: str, text: str) -> None:
    """Check that a schedule is none that only a script has.

    Args:
        path: module or file of the class.
        name: name of the class.
        text: the notation, for messages.

    Raises:
        NotationError: if it is one; says where its lr is known.
    """
    if path == SCRIPT:
        what = "stands for the lr that a script itself sets, which"
        if name != "lr":
            what = f"is a {name} that only its script has: its lr"
        raise NotationError(f"{SCRIPT}:{name} {what} is only known where it was recorded", text, 0)


def load_user_scheduler(path: str, name: str, text: str) -> Callable[..., Any]:
    """Return a user's scheduler class, or the function that makes a scheduler; runs the file or imports the module.

    Args:
        path: `package.module` or a path that ends in `.py`.
        name: name of the class or function.
        text: the notation, for messages.

    Raises:
        NotationError: if there is no such file, module or name, it is neither a function nor a class of schedulers, or
            only a script has it.
    """
    check_not_of_script(path, name, text)
    from torch.optim.lr_scheduler import LRScheduler

    found = load_user_attribute(path, name, text)
    if isinstance(found, type):
        # schedulers of timm have a class of their own
        if not issubclass(found, LRScheduler) and not hasattr(found, "step_update"):
            raise NotationError(f"{path}:{name} is no subclass of torch.optim.lr_scheduler.LRScheduler", text, 0)
    elif not inspect.isfunction(found):
        raise NotationError(f"{path}:{name} is no class and no function: {found!r:.60}", text, 0)
    return found  # type: ignore[no-any-return]


LENGTHS = ("total_steps", "num_training_steps", "t_initial", "T_max")
"""Arguments of users' classes and functions that are filled in with the `step()` calls of the run: those of PyTorch,
transformers and timm."""


def open_arguments(found: Callable[..., Any], positional: int, given: Iterable[str]) -> list[str]:
    """Return the arguments among LENGTHS, and timm's `t_in_epochs`, that a class or function takes and are left out.

    A length with a default other than None is not among them.

    Args:
        positional: number of arguments given without a name, after the optimizer.
        given: names of the others.
    """
    try:
        parameters = list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return []
    by_place = [each for each in parameters if each.kind is not each.KEYWORD_ONLY]
    taken = {*given, *(each.name for each in by_place[: positional + 1])}
    left = [each for each in parameters if each.name not in taken]
    lengths = [each.name for each in left if each.name in LENGTHS and each.default in (each.empty, None)]
    return lengths + [each.name for each in left if each.name == "t_in_epochs"]
