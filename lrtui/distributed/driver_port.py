"""The port at which a driver listens for the workers of its runs, and the thread that reads what they send."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Protocol

from lrtui.distributed.channel import (
    ADDRESS_VARIABLE,
    KEY_VARIABLE,
    LOST_SECONDS,
    NAME_VARIABLE,
    VERSION,
    Channel,
    ChannelError,
    notice_lost_machines,
    set_time_limits,
)
from lrtui.distributed.launcher import LOOPBACK
from lrtui.distributed.message import Message
from lrtui.distributed.open_port import open_port
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError

GREETING_SECONDS = 10.0
"""Seconds within which a connection must prove that it is a worker's."""

STALLED_SECONDS = 10.0
"""Seconds without progress in the middle of a message, after which a worker is taken for lost."""

MAX_OPEN_FILES = 65_536
"""Number of open files that a process with a port asks for."""

ACCEPT_SECONDS = 0.1
"""Seconds until a connection is accepted again, where the system could not."""

MAX_GREETINGS = 64
"""Connections that may be proving themselves at once; more are closed, and a worker tries again."""


class WorkerHandler(Protocol):
    """What is called about a worker; by the port's threads, so that it must not block."""

    def take_channel(self, channel: Channel, role: str) -> None:
        """Take the channel to a worker that has connected."""
        ...

    def take(self, message: Message, role: str) -> None:
        """Take a message."""
        ...

    def take_end(self, reason: str, role: str) -> None:
        """Take the end of the channel, and why it ended."""
        ...


class DriverPort:
    """Listens for the workers of this process. A connection that has no key is closed, whatever it sends.

    Args:
        host: the address that workers connect to; other machines can connect unless it is `LOOPBACK`.

    Raises:
        LrtuiError: if the port can't be opened.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        try:
            # the address by which other machines know this one need not be one of its own
            self._socket = open_port(is_local=host == LOOPBACK, backlog=512)
        except OSError as error:
            raise LrtuiError(f"no port can be opened for worker processes: {error.strerror or error}") from None
        _allow_open_files()
        self._key = os.urandom(32)
        self._handlers: dict[str, WorkerHandler] = {}
        self._lock = threading.Lock()
        self._greetings = threading.BoundedSemaphore(MAX_GREETINGS)
        self._selector = selectors.DefaultSelector()
        self._arrived: list[tuple[Channel, WorkerHandler, str]] = []
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._is_closed = False
        for work, name in ((self._accept, "worker-port"), (self._read, "worker-reader")):
            DaemonThread(work, name).start()

    def expect(self, name: str, handler: WorkerHandler) -> Mapping[str, str]:
        """Expect a worker of this name; return the environment variables that it needs."""
        with self._lock:
            self._handlers[name] = handler
        port = self._socket.getsockname()[1]
        return {ADDRESS_VARIABLE: f"{self._host}:{port}", KEY_VARIABLE: self._key.hex(), NAME_VARIABLE: name}

    def forget(self, name: str) -> bool:
        """Expect this worker no longer; return whether no other one is expected."""
        with self._lock:
            self._handlers.pop(name, None)
            return not self._handlers

    @property
    def workers(self) -> int:
        """Number of workers that are expected or connected."""
        return len(self._handlers)

    def close(self) -> None:
        """Close the port; channels to workers stay open until they end."""
        self._is_closed = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._wake()

    def _wake(self) -> None:
        with suppress(OSError):
            self._wake_write.send(b"x")

    # -- the thread that accepts connections --------------------------------------------------------------------------

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                if self._is_closed:
                    return
                # no file may be opened until another is closed
                time.sleep(ACCEPT_SECONDS)
                continue
            if not self._greetings.acquire(blocking=False):
                sock.close()
                continue
            # a thread for each, since a connection that says nothing must not hold up the next one
            thread = DaemonThread(lambda sock=sock: self._greet(sock), "worker-greeting")  # type: ignore[misc]
            try:
                thread.start()
            except RuntimeError:
                # the system starts no more threads; the worker tries again
                sock.close()
                self._greetings.release()

    def _greet(self, sock: socket.socket) -> None:
        try:
            notice_lost_machines(sock)
            if (option := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, int(LOST_SECONDS * 1000))
            connection = Connection(sock.detach())
            try:
                self._greet_worker(connection)
            except (OSError, EOFError, ValueError, AssertionError, AuthenticationError, LrtuiError):
                # a port scanner, a key of another process, or a worker that has ended already
                connection.close()
        except OSError:
            sock.close()
        finally:
            self._greetings.release()

    def _greet_worker(self, connection: Connection) -> None:
        set_time_limits(connection, GREETING_SECONDS, GREETING_SECONDS)
        deliver_challenge(connection, self._key)
        answer_challenge(connection, self._key)
        channel = Channel(connection)
        hello = channel.receive()
        role, handler = str(hello.body.get("role")), self._handlers.get(str(hello.body.get("name")))
        reason = "" if handler is not None else "the run of this worker is over"
        if (other := hello.body.get("version")) != VERSION:
            reason = f"this worker has lrtui {other}, and the process that started the run has {VERSION}"
            reason += ": install the same version on all machines"
        if reason or handler is None:
            channel.send(Message("refused", {"reason": reason}))
            channel.close()
            if handler is not None:
                handler.take_end(reason, role)
            return
        channel.send(Message("welcome"))
        set_time_limits(connection, STALLED_SECONDS, LOST_SECONDS)
        handler.take_channel(channel, role)
        with self._lock:
            self._arrived.append((channel, handler, role))
        self._wake()

    # -- the thread that reads ----------------------------------------------------------------------------------------

    def _read(self) -> None:
        while not (self._is_closed and len(self._selector.get_map()) == 1 and not self._arrived):
            for key, _ in self._selector.select():
                if key.data is None:
                    self._register()
                else:
                    self._read_one(*key.data)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _register(self) -> None:
        with suppress(BlockingIOError):
            self._wake_read.recv(4096)
        with self._lock:
            arrived, self._arrived = self._arrived, []
        for channel, handler, role in arrived:
            self._selector.register(channel, selectors.EVENT_READ, (channel, handler, role))

    def _read_one(self, channel: Channel, handler: WorkerHandler, role: str) -> None:
        """Read one message, so that a worker with many does not hold up the others."""
        try:
            handler.take(channel.receive(), role)
        except ChannelError as error:
            reason = str(error)
        except Exception as error:  # what a worker sends must not end the thread that reads all of them
            reason = f"it has sent something else than expected: {type(error).__name__}: {error}"
        else:
            return
        self._selector.unregister(channel)
        channel.close()
        handler.take_end(reason, role)


def _allow_open_files() -> None:
    """Let this process open more files if it may: each worker takes one, and many systems start with 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if most == resource.RLIM_INFINITY else min(most, MAX_OPEN_FILES)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


_ports: dict[str, DriverPort] = {}
_ports_lock = threading.Lock()


def expect_worker(host: str, name: str, handler: WorkerHandler) -> Mapping[str, str]:
    """Expect a worker that connects to this address; return the environment variables that it needs.

    All workers of this process connect to the same port. `forget_worker` is called when the worker has ended.

    Raises:
        LrtuiError: if the port can't be opened.
    """
    with _ports_lock:
        if host not in _ports:
            _ports[host] = DriverPort(host)
        return _ports[host].expect(name, handler)


def forget_worker(host: str, name: str) -> None:
    """Expect this worker no longer; the port is closed after the last one."""
    with _ports_lock:
        if (port := _ports.get(host)) is not None and port.forget(name):
            port.close()
            del _ports[host]


def worker_count(host: str) -> int:
    """Return the number of workers of this process that are expected at this address, or connected."""
    port = _ports.get(host)
    return port.workers if port is not None else 0
