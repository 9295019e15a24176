"""The files of a task's data set: found in a local folder, downloaded and verified, or replaced by a bundled sample."""

from __future__ import annotations

import http.client
import os
import queue
import shutil
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from lrtui.run.errors import DataError
from lrtui.tasks.task import Say

Content = TypeVar("Content")

RESPONSE_TIMEOUT = 5.0
"""How long a server may take to start its response, and how long the response may then stall, in seconds."""

FAILURES = (OSError, http.client.HTTPException)
"""Exceptions for errors of the network, the server or the disk."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Content]):
    """A data set and where it came from: `cache`, a system package, `download` or `bundled sample`."""

    source: str
    where: str
    content: Content


@dataclass(frozen=True, kw_only=True)
class DataSet(Generic[Content]):
    """Where a data set's files are, and how they are read.

    Args:
        name: name for messages.
        files: MD5 checksum in hexadecimal of each file, by name.
        urls: addresses that file names are appended to, in the order they are tried.
        folder: below the cache directory, where downloads are stored.
        read: returns the content of a folder with all files; raises DataError, which names the file, if one is
            missing, truncated or corrupt.
        unpacked: if `files` are archives (tar, zip), the folder in them that `read` gets; empty if it reads `files`.
        packages: folders of system packages, by the package's description.
        sample: a folder with a small part of the data that comes with the task; None without one.
        advice: what to do if the download fails, as a sentence.
    """

    name: str
    files: Mapping[str, str]
    urls: tuple[str, ...]
    folder: str
    read: Callable[[Path], Content]
    unpacked: str = ""
    packages: tuple[tuple[str, Path], ...] = ()
    sample: Path | None = None
    advice: str = "--data-dir names a folder that has the files."

    def find(self, data_dir: str | None, say: Say) -> Found[Content]:
        """Return the data from the first place that has all of it; damaged files are reported and not used.

        Args:
            data_dir: where to look first and to download to; None for the user's cache directory.
            say: receives progress messages.

        Raises:
            DataError: if the data can't be downloaded and there is no sample, or the sample can't be read.
        """
        cache = _cache(data_dir) / self.folder
        for source, folder in self._local_folders(data_dir):
            try:
                if self.unpacked and not os.path.isdir(folder / self.unpacked):
                    folder = self._unpack(folder, cache)
                return Found(source, str(folder), self.read(folder / self.unpacked))
            except DataError as error:
                say(f"{error}; the file is not used")
        try:
            folder = self.download(cache, say)
            if self.unpacked:
                self._unpack(folder, cache)
            return Found("download", str(folder), self.read(folder / self.unpacked))
        except DataError as error:
            if self.sample is None:
                raise
            say(str(error))
        return Found("bundled sample", str(self.sample), self.read(self.sample))

    def local_folder(self, data_dir: str | None) -> tuple[str, Path] | None:
        """Return the source and the folder that the data would be read from, or None if it isn't on this machine."""
        return next(iter(self._local_folders(data_dir)), None)

    def _local_folders(self, data_dir: str | None) -> Iterator[tuple[str, Path]]:
        """Yield the folders that have some of the files, in the order they are tried."""
        cache = _cache(data_dir)
        names = [*self.files, *([self.unpacked] if self.unpacked else [])]
        for source, folder in (("cache", cache / self.folder), ("cache", cache), *self.packages):
            # os.path.exists returns False for a folder without access, where Path.exists raises
            if any(os.path.exists(folder / name) for name in names):
                yield source, folder

    def _unpack(self, folder: Path, cache: Path) -> Path:
        """Unpack the archives of a folder into the cache, in place of what was unpacked there before; return the cache.

        Raises:
            DataError: for an archive that is missing or damaged, and if the cache can't be written.
        """
        name = ""  # the file or folder that an error names
        try:
            cache.mkdir(parents=True, exist_ok=True)
            # moved into place when it is complete, so that a process that is killed leaves no partial data there
            with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as temporary:
                for name in self.files:
                    # the filter refuses members outside of the folder, which are never extracted from a zip archive
                    shutil.unpack_archive(folder / name, temporary, filter=None if name.endswith(".zip") else "data")
                name = self.unpacked
                shutil.rmtree(cache / name, ignore_errors=True)
                os.replace(Path(temporary, name), cache / name)
        # a damaged archive makes tarfile, zipfile and their decompressors raise nearly anything
        except Exception as error:
            raise DataError(f"{folder / name} can't be unpacked: {error}") from None
        return cache

    def download(self, folder: Path, say: Say) -> Path:
        """Download the missing files into the folder, and return it.

        A file appears there only once it is complete and its checksum is right.

        Raises:
            DataError: one line that says what failed and what to do.
        """
        say(f"looking for {self.name} on the network")
        try:
            for name, md5 in self.files.items():
                self._download_file(folder, name, md5, say)
        except FAILURES as error:
            reason = getattr(error, "reason", None) or error
            instead = ": using the bundled sample" if self.sample else ""
            raise DataError(f"{self.name} can't be downloaded ({reason}){instead}. {self.advice}") from None
        return folder

    def _download_file(self, folder: Path, name: str, md5: str, say: Say) -> None:
        # takes 45 ms to import, and only a download needs it
        import pooch

        # its messages go to stderr, which belongs to the cockpit
        pooch.get_logger().setLevel("WARNING")

        def fetch(url: str, output_file: str, _: Any) -> None:
            with _open(url) as response, open(output_file, "wb") as file:
                for chunk in _chunks(response, name, say):
                    file.write(chunk)

        failure: Exception = OSError("no download address is given")
        for url in self.urls:
            try:
                pooch.retrieve(url + name, f"md5:{md5}", fname=name, path=folder, downloader=fetch)
                return
            except ValueError:
                failure = OSError(f"the download of {name} from {url} is corrupt")
            except FAILURES as error:
                failure = error
        raise failure


def cache_directory() -> Path:
    """Return the user's cache directory of lrtui; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("lrtui", appauthor=False))


def _cache(data_dir: str | None) -> Path:
    return Path(data_dir).expanduser() if data_dir else cache_directory()


def _open(url: str) -> Any:
    """Return the response, in bounded time.

    The timeout of urlopen applies to each of a host's addresses in turn, and not to name resolution: behind a firewall
    that drops packets, that adds up to minutes. A thread that is left behind holds nothing but a socket.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> None:
        try:
            results.put(urllib.request.urlopen(url, timeout=RESPONSE_TIMEOUT))
        except Exception as error:  # raised below, in the calling thread
            results.put(error)

    threading.Thread(target=connect, name="connecting", daemon=True).start()
    try:
        result = results.get(timeout=RESPONSE_TIMEOUT)
    except queue.Empty:
        raise TimeoutError(f"no response within {RESPONSE_TIMEOUT:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result


def _chunks(response: Any, name: str, say: Say) -> Iterator[bytes]:
    """Yield the response in pieces, with a message for each tenth."""
    length = response.headers.get("Content-Length") or ""
    size = int(length) if length.isdecimal() else 0
    done, last_tenth = 0, -1
    while chunk := response.read(1 << 18):
        yield chunk
        done += len(chunk)
        if size and done * 10 // size > last_tenth:
            last_tenth = done * 10 // size
            say(f"downloading {name}: {done * 100 // size} % of {size / 1e6:.1f} MB")
