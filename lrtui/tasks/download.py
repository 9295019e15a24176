"""One file from the network: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import queue
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lrtui.tasks.task import Say

SECONDS_TO_CONNECT = 5.0
"""How long an address may take to begin its answer, and how long the answer may then stand still."""

FAILURES = (OSError, http.client.HTTPException)
"""What a network, a server that answers nonsense, or a disk can raise."""


def download_file(addresses: Sequence[str], md5: str, file: Path, say: Say) -> None:
    """Download a file from the first address that has it.

    It is written under another name and renamed when it is whole.

    Args:
        addresses: where it is to be had, in the order they are tried.
        md5: its check sum, in hexadecimal.
        file: where it is put; the folder exists.
        say: takes the progress, a line for every tenth.

    Raises:
        OSError: what went wrong at the last address.
        http.client.HTTPException: the same, where the server does not speak HTTP.
    """
    failure: Exception = OSError("no address is known")
    for address in addresses:
        with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
            try:
                with _open(address) as answer:
                    for chunk in _chunks(answer, file.name, say):
                        part.write(chunk)
                part.close()
                if md5_of(Path(part.name)) != md5:
                    raise OSError(f"{file.name} from {address} arrived corrupt")
                Path(part.name).replace(file)
                return
            except FAILURES as error:
                failure = error
            finally:
                Path(part.name).unlink(missing_ok=True)
    raise failure


def md5_of(file: Path) -> str:
    """Return the file's check sum, in hexadecimal."""
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _open(address: str) -> Any:
    """Return the beginning answer, in bounded time.

    urlopen's own time limit holds for each of a host's addresses in turn, and not for looking its name up: where a
    firewall drops everything, that comes to minutes. The thread that is left behind holds nothing but a socket.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def fetch() -> None:
        try:
            results.put(urllib.request.urlopen(address, timeout=SECONDS_TO_CONNECT))
        except Exception as error:  # raised below, in the thread that asked
            results.put(error)

    threading.Thread(target=fetch, name="connecting", daemon=True).start()
    try:
        result = results.get(timeout=SECONDS_TO_CONNECT)
    except queue.Empty:
        raise TimeoutError(f"no answer within {SECONDS_TO_CONNECT:g} s") from None
    if isinstance(result, Exception):
        raise result
    return result


def _chunks(answer: Any, name: str, say: Say) -> Iterator[bytes]:
    length = answer.headers.get("Content-Length") or ""
    size = int(length) if length.isdecimal() else 0
    done, told = 0, -1
    while chunk := answer.read(1 << 18):
        yield chunk
        done += len(chunk)
        if size and done * 10 // size > told:
            told = done * 10 // size
            say(f"downloading {name}: {done * 100 // size} % of {size / 1e6:.1f} MB")
