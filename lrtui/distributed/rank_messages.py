"""The messages between ranks: their size in eight bytes, and their content."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from typing import Any

from lrtui.text.format import counted

HEADER = struct.Struct(">q")
GO_ON_WAITING, RUN_ENDED = -1, -2
"""Lengths of announcements that stand for something else."""

MAX_RECORD = 1 << 20
"""Size of the longest record, in bytes: anything may connect, and send a size that no memory has room for."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}
"""A machine that is lost, and so can't close its connections, is noticed after 35 seconds."""


def open_connection(host: str, port: int, greeting: dict[str, Any], seconds: float) -> socket.socket:
    """Connect to rank 0, and say which rank this is; `seconds` is how long each operation may take."""
    connection = socket.create_connection((host, port), seconds)
    tune_connection(connection, seconds)
    send_record(connection, greeting)
    return connection


def tune_connection(connection: socket.socket, seconds: float) -> None:
    """Send small messages immediately, and notice a machine that is lost."""
    connection.settimeout(seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        # the names of Linux
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def close_connection(connection: socket.socket) -> None:
    """Close a connection that another thread may read from."""
    # a thread that reads from it is woken by shutdown only
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def send_record(connection: socket.socket, record: dict[str, Any]) -> None:
    """Send a record of plain values."""
    data = json.dumps(record).encode()
    connection.sendall(HEADER.pack(len(data)) + data)


def receive_record(connection: socket.socket) -> dict[str, Any]:
    """Return the next record.

    Raises:
        OSError: if the connection is closed.
        ValueError: for anything but a record.
    """
    size = HEADER.unpack(read_exactly(connection, HEADER.size))[0]
    if not 0 <= size <= MAX_RECORD:
        raise ValueError(f"not a record: {counted(size, 'byte')}")
    record = json.loads(read_exactly(connection, size))
    if not isinstance(record, dict):
        raise ValueError("not a record")
    return record


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Return exactly this many bytes.

    Raises:
        ConnectionError: if the connection is closed.
    """
    if not size:
        return b""
    data = connection.recv(size)
    if len(data) < size and data:
        parts = bytearray(data)
        while len(parts) < size and (data := connection.recv(min(size - len(parts), 1 << 20))):
            parts += data
        data = bytes(parts)
    if len(data) < size:
        raise ConnectionError("the connection is closed")
    return data
