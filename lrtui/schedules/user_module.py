"""The user's own files and modules, imported as Python itself would."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from pathlib import Path
from types import ModuleType

_LOADING = threading.Lock()
_loaded: dict[Path, tuple[int, str]] = {}
"""When each file that was loaded had been changed, and its module's name."""


def import_user_module(name: str) -> ModuleType:
    """Return the module of that dotted name; what lies in the working directory can be named, as with `python -m`.

    Raises:
        ImportError: where there is none.
        Exception: whatever it raises when it is run, SystemExit included.
    """
    if "" not in sys.path:
        sys.path.insert(0, "")
    with _LOADING:
        return importlib.import_module(name)


def load_user_file(path: Path) -> ModuleType:
    """Return the file's module: the same each time, until the file is changed.

    As with `python FILE`, what lies beside it can be imported. It has its own name where that is free, so that the
    processes of a data loader find it, too.

    Raises:
        FileNotFoundError: where there is no such file.
        ImportError: where it is no Python file, or imports what is not there.
        Exception: whatever it raises when it is run, SystemExit included.
    """
    path = path.expanduser().resolve()
    # a preview and a run can ask for the same file at the same moment
    with _LOADING:
        changed = path.stat().st_mtime_ns
        before = _loaded.get(path)
        if before is not None and before[0] == changed and before[1] in sys.modules:
            return sys.modules[before[1]]
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        name = before[1] if before else _free_name(path)
        module = _run(path, name)
        _loaded[path] = (changed, name)
        return module


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
        raise ImportError(f"{path} is no Python file")
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
