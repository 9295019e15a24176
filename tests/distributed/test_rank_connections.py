"""The connections of rank 0 and another rank: what else connects does not disturb them."""

from __future__ import annotations

import socket
import struct
import threading

from waiting import SECONDS

from lrtui.distributed.first_rank import FirstRank
from lrtui.distributed.other_rank import OtherRank


class Store:
    """Keeps the values of a store of `torch.distributed` until the other rank has read them."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._has_port = threading.Event()

    def set(self, name: str, value: str) -> None:
        self._values[name] = value.encode()
        if name == "port":
            self._has_port.set()

    def get(self, name: str) -> bytes:
        assert self._has_port.wait(SECONDS)
        return self._values[name]


def framed(text: bytes) -> bytes:
    return struct.pack(">q", len(text)) + text


def test_what_has_no_token_does_not_keep_the_ranks_from_connecting() -> None:
    store, found = Store(), []
    first = threading.Thread(target=lambda: found.append(FirstRank(store, 2, SECONDS)))
    first.start()
    address = ("127.0.0.1", int(store.get("port")))
    texts = (b"[1]", b"{}", b"\xff", b"[" * 100_000, '{"token": "\u00e9"}'.encode())
    for junk in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">q", -1), b"", *map(framed, texts)):
        with socket.create_connection(address) as other:
            other.sendall(junk)
    rank = OtherRank(store, 1, SECONDS)
    first.join(SECONDS)
    assert found[0].announce(b"a step") == rank.announce(b"") == b"a step"
    rank.close()
    found[0].close()
