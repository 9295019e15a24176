"""A port for a process that listens later."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """Return a port on which nothing listens.

    It is none that the system gives to other sockets (from 32768), so that nobody takes it before it is used.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("all ports are in use")
