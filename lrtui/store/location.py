"""Where a store is, and whether its folder can be trusted."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from shlex import quote as quoted

from lrtui.run.errors import StoreError

DATABASE = "runs.db"
CHECKPOINTS = "checkpoints"
VARIABLE = "LRTUI_STORE"
DEFAULT = ".lrtui"
NOTHING = "none"
"""Value of --store that records nothing."""

NETWORK_FILE_SYSTEMS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "gfs2", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs",
}  # fmt: skip
"""File systems on which SQLite's WAL is unsafe: it needs memory that all processes share (sqlite.org/wal.html)."""

MOUNTS = Path("/proc/self/mounts")


def default_store() -> str:
    """Return the folder of the store that is used without --store, or `none`."""
    return os.environ.get(VARIABLE) or DEFAULT


def store_folder(option: str | None = None) -> Path | None:
    """Return the folder that --store, LRTUI_STORE or the default `.lrtui` names; None if nothing is recorded."""
    text = option or default_store()
    return None if text == NOTHING else Path(text).expanduser().absolute()


def store_option(folder: Path) -> str:
    """Return the --store option that a command needs to find the store, with a leading space; empty for the default."""
    return "" if folder == store_folder() else f" --store {quoted(str(folder))}"


def prepare_folder(folder: Path) -> None:
    """Create the folder if it is missing, readable by its owner only and ignored by git.

    Raises:
        StoreError: if it can't be created.
    """
    try:
        is_new = not folder.is_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / CHECKPOINTS).mkdir(mode=0o700, exist_ok=True)
        if is_new:
            (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise StoreError(f"the store {folder} can't be created: {error.strerror or error}") from None


def only_owner_can_write(folder: Path) -> bool:
    """Return whether only this user can write the store; only then are commands taken from it."""
    for path in (folder, folder / DATABASE):
        try:
            found = path.stat()
        except OSError:
            return False
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return False
        if hasattr(os, "geteuid") and found.st_uid != os.geteuid():
            return False
    return True


def file_system(path: Path) -> str:
    """Return the type of the file system that holds the path, as Linux names it; "" if it is unknown."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    # a space in a mount point is written as \040
    mounts = [(Path(fields[1].replace("\\040", " ")), fields[2]) for fields in map(str.split, lines) if len(fields) > 2]
    resolved = path.resolve()
    under = [(len(point.parts), kind) for point, kind in mounts if resolved.is_relative_to(point)]
    # a later mount at the same point hides an earlier one
    return max(enumerate(under), key=lambda entry: (entry[1][0], entry[0]), default=(0, (0, "")))[1][1]


def is_on_network(path: Path) -> bool:
    """Return whether the path is on a network file system."""
    return file_system(path) in NETWORK_FILE_SYSTEMS
