"""A channel: the connection between the process that a run was started from, its driver, and the worker of the run."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge

from lrtui.distributed.message import Message, MessageError
from lrtui.run.errors import LrtuiError

ADDRESS_VARIABLE = "LRTUI_WORKER_ADDRESS"
"""The environment variable that tells a worker where its driver listens, as HOST:PORT."""

KEY_VARIABLE = "LRTUI_WORKER_KEY"
"""The environment variable with the key that driver and worker prove to each other that they have, in hexadecimal."""

NAME_VARIABLE = "LRTUI_WORKER_NAME"
"""The environment variable with the name by which the driver knows the worker."""

LOST_SECONDS = 60.0
"""Seconds after which a machine that does not answer is taken for lost."""

CONNECT_SECONDS = 30.0

RETRY_SECONDS = 0.2
"""How long a worker waits before it connects again, where more connections begin than its driver can greet at once."""

CONNECTION = "the connection"
"""Start of the reason if a channel has ended since the other process or its machine has."""

MAX_MESSAGE = 64 << 20
"""Size of the longest message, in bytes."""

VERSION = version("lrtui")


class ChannelError(LrtuiError):
    """The other process has ended, or the connection to it is lost."""


class Channel:
    """Sends and receives messages; any thread may send, one receives.

    A process that ends closes its end of the connection. A machine that is lost is noticed by the kernel, which asks
    the other one from time to time whether it is there; a process that is merely stopped does not count as lost.

    Args:
        connection: to the other process.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """Return the file descriptor of the connection."""
        return self._connection.fileno()

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            ChannelError: if the connection is lost.
        """
        data = message.to_bytes()
        with self._sending:
            try:
                self._connection.send_bytes(data)
            except (OSError, ValueError) as error:
                # a part of the message may have been sent, so nothing can follow it
                self.shut_down()
                raise ChannelError(f"{CONNECTION} is lost: {error}") from None

    def receive(self) -> Message:
        """Wait for a message and return it.

        Raises:
            ChannelError: if the connection is lost, or the other process has sent something else.
        """
        try:
            return Message.of_bytes(self._connection.recv_bytes(MAX_MESSAGE))
        except EOFError:
            raise ChannelError(f"{CONNECTION} was closed") from None
        except (OSError, MessageError) as error:
            self.shut_down()
            raise ChannelError(f"{CONNECTION} is lost: {error}") from None

    def shut_down(self) -> None:
        """End the connection; a thread that waits in `receive` leaves it."""
        with suppress(OSError, ValueError), _as_socket(self._connection) as sock:
            sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection; called by the thread that receives."""
        with self._sending:
            self._connection.close()


def _as_socket(connection: Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def set_time_limits(connection: Connection, receive: float, send: float) -> None:
    """Limit how long a call may wait within a message without any progress; 0 for no limit."""
    with _as_socket(connection) as sock:
        for option, seconds in ((socket.SO_RCVTIMEO, receive), (socket.SO_SNDTIMEO, send)):
            sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", int(seconds), int(seconds % 1 * 1e6)))


def notice_lost_machines(sock: socket.socket) -> None:
    """Let the kernel end a connection to a machine that is lost, and send small messages immediately."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    tries = 4
    values = {
        "TCP_KEEPIDLE": LOST_SECONDS / tries,
        # the name that macOS has for it
        "TCP_KEEPALIVE": LOST_SECONDS / tries,
        "TCP_KEEPINTVL": LOST_SECONDS / tries,
        "TCP_KEEPCNT": tries - 1,
    }
    for name, value in values.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, int(value))


def _authenticated_connection(host: str, port: int, key: bytes) -> Connection:
    """Return a connection to a process that has the key, and has been shown that this one has it."""
    with socket.create_connection((host, port), CONNECT_SECONDS) as sock:
        sock.setblocking(True)
        notice_lost_machines(sock)
        connection = Connection(sock.detach())
    set_time_limits(connection, CONNECT_SECONDS, CONNECT_SECONDS)
    try:
        answer_challenge(connection, key)
        deliver_challenge(connection, key)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(environment: Mapping[str, str], role: str = "worker") -> Channel:
    """Return a worker's channel to its driver.

    Args:
        environment: has the variables that the driver has set.
        role: what the process is to the run.

    Raises:
        ChannelError: if the driver is not there, or refuses this worker; says why.
    """
    try:
        host, _, port = environment[ADDRESS_VARIABLE].rpartition(":")
        key, name = bytes.fromhex(environment[KEY_VARIABLE]), environment[NAME_VARIABLE]
    except KeyError as error:
        raise ChannelError(f"{error.args[0]} is not set: lrtui itself starts the workers of its runs") from None
    until = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            connection = _authenticated_connection(host, int(port), key)
            break
        except (EOFError, ConnectionResetError, BrokenPipeError):
            reason = "it closes the connection"
            if time.monotonic() < until:
                time.sleep(RETRY_SECONDS)
                continue
        except (OSError, ValueError, AssertionError, AuthenticationError) as error:
            reason = str(error) or type(error).__name__
        raise ChannelError(
            f"can't connect to the process that started the run, at {host}:{port}: {reason} (--host says where it is)"
        ) from None
    channel = Channel(connection)
    channel.send(Message("hello", {"name": name, "version": VERSION, "role": role}))
    answer = channel.receive()
    if answer.kind == "refused":
        raise ChannelError(str(answer.body.get("reason")))
    set_time_limits(connection, 0, 0)
    return channel
