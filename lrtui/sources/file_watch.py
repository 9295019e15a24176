"""Tells when files in folders change, where the file system reports it; elsewhere they have to be looked at."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

MAX_FOLDERS = 1_000
"""Maximum number of folders that are watched; each takes one of the system's watches, of which there may be few."""

_NETWORK = ("nfs", "cifs", "smb", "fuse", "sshfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs", "gluster", "davfs")
"""Beginnings of the names of file systems that do not report what other machines change."""

_PAUSE = 0.1
"""Seconds after a call in which changes are gathered for the next one."""

_GATHERED_MS = 100
"""Milliseconds in which changes are reported together."""


class FileWatch:
    """A thread that calls back when files in folders have changed.

    Args:
        changed: called in that thread, with whether a file or folder has appeared or disappeared.
    """

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self._changed = changed
        self._folders: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch the first of these folders, without those in them, and no others."""
        wanted = frozenset(list(folders)[:MAX_FOLDERS])
        if self._closed or wanted == self._folders:
            return
        self._folders = wanted
        self._stop.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="file watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop watching; returns immediately."""
        self._closed = True
        self._stop.set()

    def _work(self) -> None:
        # takes 50 ms to import, which no first curve waits for
        from watchfiles import Change, watch

        while not self._closed:
            self._stop.clear()
            folders = [folder for folder in self._folders if os.path.isdir(folder)]
            if not folders:
                return
            try:
                for changes in watch(
                    *folders,
                    watch_filter=None,
                    recursive=False,
                    debounce=_GATHERED_MS,
                    stop_event=self._stop,
                    rust_timeout=1_000,
                    raise_interrupt=False,
                    ignore_permission_denied=True,
                ):
                    self._changed(any(change != Change.modified for change, _ in changes))
                    # some files change all the time
                    self._stop.wait(_PAUSE)
            except Exception:  # no watches are left, or a folder has disappeared: the files are looked at every second
                return


def reports_changes(path: Path) -> bool:
    """Return whether the file system of a path reports all changes; those of networks do not."""
    # takes 20 ms to import
    import psutil

    real = os.path.realpath(path)
    try:
        mounts = {part.mountpoint: part.fstype for part in psutil.disk_partitions(all=True)}
    except OSError:
        return False
    inside = [mount for mount in mounts if mount == real or real.startswith(mount.rstrip(os.sep) + os.sep)]
    kind = mounts[max(inside, key=len)] if inside else ""
    return not kind.lower().startswith(_NETWORK)
