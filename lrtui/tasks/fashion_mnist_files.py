"""Where the four files of Fashion-MNIST are: the cache, Debian's package, a download, the bundled sample."""

from __future__ import annotations

import hashlib
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import DataError
from lrtui.tasks.idx import read_idx

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

SECONDS_TO_CONNECT = 5.0

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
"""Training images and labels, test images and labels; images have the shape (samples, 28, 28)."""

Say = Callable[[str], None]


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
        if any((folder / name).exists() for name in NAMES):
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
    # torchvision takes 1.3 s to import, and only a download needs it
    from torchvision.datasets import FashionMNIST

    published = dict(FashionMNIST.resources)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            if not (folder / name).is_file() or _md5(folder / name) != published[name]:
                _download_one(FashionMNIST.mirrors, name, published[name], folder, say)
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"Fashion-MNIST can't be downloaded ({reason}): going on with the bundled sample. "
            "Debian has it as dataset-fashion-mnist; --data-dir names a folder that holds the four files"
        ) from None
    return folder


def _download_one(mirrors: list[str], name: str, md5: str, folder: Path, say: Say) -> None:
    failure = OSError("torchvision knows no address")
    for mirror in mirrors:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as part:
            try:
                with urllib.request.urlopen(mirror + name, timeout=SECONDS_TO_CONNECT) as answer:
                    for chunk in _chunks(answer, name, say):
                        part.write(chunk)
                part.close()
                if _md5(Path(part.name)) != md5:
                    raise OSError(f"{name} from {mirror} arrived corrupt")
                Path(part.name).replace(folder / name)
                return
            except OSError as error:
                failure = error
            finally:
                Path(part.name).unlink(missing_ok=True)
    raise failure


def _chunks(answer: object, name: str, say: Say) -> Iterator[bytes]:
    size = int(answer.headers.get("Content-Length") or 0)  # type: ignore[attr-defined]
    done, told = 0, -1
    while chunk := answer.read(1 << 18):  # type: ignore[attr-defined]
        yield chunk
        done += len(chunk)
        if size and done * 10 // size > told:
            told = done * 10 // size
            say(f"downloading {name}: {done * 100 // size} % of {size / 1e6:.1f} MB")


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
