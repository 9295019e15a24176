"""Where the four files of Fashion-MNIST are: the cache, Debian's package, a download, the bundled sample."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import DataError
from lrtui.tasks.download import FAILURES, download_file, md5_of
from lrtui.tasks.idx import read_idx
from lrtui.tasks.task import Say

NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
"""The data set's files. Debian packs them anew, so that only what is in them is the same everywhere."""

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Debian's package dataset-fashion-mnist."""

BUNDLED = Path(__file__).parent / "data"
"""The sample that comes with lrtui; `make_sample.py` chose it."""

_INSTEAD = (
    ": going on with the bundled sample. "
    "Debian has it as dataset-fashion-mnist; --data-dir names a folder that holds the four files"
)

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Training images and labels, test images and labels; images have the shape (samples, 28, 28)."""


@dataclass(frozen=True, slots=True)
class Found:
    """The data set and where it came from."""

    source: str
    where: str
    arrays: Arrays


def find_files(data_dir: str | None, say: Say) -> Found:
    """Return the data from the first place that has it whole.

    Files that are truncated or corrupt are named, and the next place is tried.

    Args:
        data_dir: where to look first and to download to; None for the user's cache directory.
        say: takes narration.

    Raises:
        DataError: where not even the bundled sample can be read.
    """
    for source, folder in _local_folders(data_dir):
        try:
            return Found(source, str(folder), read_files(folder))
        except DataError as error:
            say(f"{error}; the file is not used")
    try:
        folder = download(_cache(data_dir) / "FashionMNIST" / "raw", say)
        return Found("download", str(folder), read_files(folder))
    except DataError as error:
        say(str(error))
    return Found("bundled sample", str(BUNDLED), read_files(BUNDLED))


def local_folder(data_dir: str | None) -> tuple[str, Path] | None:
    """Return the source and the folder that the data would be read from, or None where it is not on this machine."""
    return next(iter(_local_folders(data_dir)), None)


def _local_folders(data_dir: str | None) -> Iterator[tuple[str, Path]]:
    """Yield the folders that have some of the files, in the order in which they are tried."""
    cache = _cache(data_dir)
    for source, folder in (("cache", cache / "FashionMNIST" / "raw"), ("cache", cache), ("Debian package", DEBIAN)):
        # a folder that may not be looked into is as good as empty, where Path.exists would raise
        if any(os.path.exists(folder / name) for name in NAMES):
            yield source, folder


def _cache(data_dir: str | None) -> Path:
    return Path(data_dir).expanduser() if data_dir else cache_directory()


def cache_directory() -> Path:
    """Return the user's cache directory of lrtui; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("lrtui", appauthor=False))


def read_files(folder: Path) -> Arrays:
    """Return the four files' arrays.

    Raises:
        DataError: for a file that is missing, truncated or corrupt, or labels that do not fit the images.
    """
    train_images, train_labels, test_images, test_labels = (read_idx(folder / name) for name in NAMES)
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        if labels.ndim != 1 or images.shape != (len(labels), 28, 28) or not len(labels):
            raise DataError(f"{folder}: images of shape {images.shape} do not fit labels of shape {labels.shape}")
    return train_images, train_labels, test_images, test_labels


def download(folder: Path, say: Say) -> Path:
    """Download the four files into the folder, from torchvision's own addresses, and return it.

    Each is written under another name first and renamed when it is whole.

    Raises:
        DataError: one line that says what failed and what to do instead.
    """
    say("looking for Fashion-MNIST on the network")
    try:
        # torchvision takes 1.3 s to import, and only a download needs it
        from torchvision.datasets import FashionMNIST
    except (ImportError, RuntimeError) as error:  # one that was built for another torch raises the latter
        raise DataError(
            f"Fashion-MNIST can't be downloaded (torchvision can't be imported: {error}){_INSTEAD}"
        ) from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, md5 in FashionMNIST.resources:
            if not (folder / name).is_file() or md5_of(folder / name) != md5:
                download_file([mirror + name for mirror in FashionMNIST.mirrors], md5, folder / name, say)
    except FAILURES as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"Fashion-MNIST can't be downloaded ({reason}){_INSTEAD}") from None
    return folder
