"""The folder that a worker with files of its own keeps its checkpoints in until they are sent."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "lrtui-worker-"


@contextmanager
def worker_folder() -> Iterator[Path]:
    """Yield a new folder, and remove it at the end of the block.

    A worker that is killed can't remove its own, so the next one on the machine does. Each is locked by its worker: the
    kernel releases the lock of a process that has ended.
    """
    _remove_abandoned()
    path, lock = _new_folder()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _new_folder() -> tuple[Path, int | None]:
    """Return a new folder, and the file descriptor that keeps it locked; None where folders can't be locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX))
        try:
            lock = _locked(path)
        except FileNotFoundError:
            continue
        except OSError:
            return path, None
        # another worker may have taken it for abandoned before it was locked
        if lock is not None and path.is_dir():
            return path, lock
        if lock is not None:
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Lock a folder and return its file descriptor; None if another process has locked it.

    Raises:
        OSError: if it can't be locked.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        raise OSError("no folder can be locked") from None
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


def _remove_abandoned() -> None:
    """Remove the folders of workers of this user that have ended without removing them."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # locked by its worker, or gone meanwhile
        with suppress(OSError):
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and (lock := _locked(path)) is not None:
                if found.st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
                os.close(lock)
