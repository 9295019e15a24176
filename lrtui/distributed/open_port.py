"""Ports that other processes connect to."""

from __future__ import annotations

import socket
from contextlib import suppress

from lrtui.distributed.launcher import LOOPBACK


def open_port(*, is_local: bool, backlog: int | None = None) -> socket.socket:
    """Return a socket that listens at a free port.

    Args:
        is_local: whether only processes of this machine can connect; else all machines can, by IPv4 and IPv6.
        backlog: connections that may wait to be accepted; None for Python's default.

    Raises:
        OSError: if it can't be opened.
    """
    if not is_local and socket.has_dualstack_ipv6():
        # IPv6 may be known to the kernel and still be switched off
        with suppress(OSError):
            return socket.create_server(("", 0), family=socket.AF_INET6, backlog=backlog, dualstack_ipv6=True)
    return socket.create_server((LOOPBACK if is_local else "", 0), backlog=backlog)
