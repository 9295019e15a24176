"""Where a store lies, and whether that is a place to trust."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from lrtui.run.errors import StoreError

DATABASE = "runs.db"
CHECKPOINTS = "checkpoints"
VARIABLE = "LRTUI_STORE"
DEFAULT = ".lrtui"
NOTHING = "none"
"""What --store is where nothing shall be kept."""

NETWORK_FILE_SYSTEMS = {
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "gfs2", "gpfs",
    "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "smb3", "smbfs", "vboxsf", "virtiofs",
}  # fmt: skip
"""On which SQLite's WAL is unsafe, since it needs memory that all processes share (sqlite.org/wal.html)."""

MOUNTS = Path("/proc/self/mounts")


def store_folder(option: str | None = None) -> Path | None:
    """Return the store's folder: the option's, else that of LRTUI_STORE, else `.lrtui`; None where nothing is kept."""
    words = option or os.environ.get(VARIABLE) or DEFAULT
    return None if words == NOTHING else Path(words).expanduser().absolute()


def store_option(folder: Path) -> str:
    """Return what a command has to be told to find the store, with a blank in front; nothing where it looks anyway."""
    return "" if folder == store_folder() else f" --store {folder}"


def prepare_folder(folder: Path) -> None:
    """Make the folder where it is not there: the user's alone, and nothing that git would take up.

    Raises:
        StoreError: where it can't be made.
    """
    try:
        made = not folder.is_dir()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / CHECKPOINTS).mkdir(mode=0o700, exist_ok=True)
        if made:
            (folder / ".gitignore").write_text("*\n")
    except OSError as error:
        raise StoreError(f"the store {folder} can't be made: {error.strerror or error}") from None


def is_owners_alone(folder: Path) -> bool:
    """Say whether nobody but this user can write the store: only then are commands taken from it."""
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
    """Return the kind of file system that the path lies on, as Linux names it; "" where that can't be told."""
    if not sys.platform.startswith("linux"):
        return ""
    try:
        lines = MOUNTS.read_text().splitlines()
    except OSError:
        return ""
    # a blank in a mount point is written as \040
    mounts = [(Path(fields[1].replace("\\040", " ")), fields[2]) for fields in map(str.split, lines) if len(fields) > 2]
    resolved = path.resolve()
    under = [(len(point.parts), kind) for point, kind in mounts if resolved.is_relative_to(point)]
    # of two mounts on one point the later one covers the other
    return max(enumerate(under), key=lambda entry: (entry[1][0], entry[0]), default=(0, (0, "")))[1][1]


def is_on_network(path: Path) -> bool:
    """Say whether the path lies on a network file system."""
    return file_system(path) in NETWORK_FILE_SYSTEMS
