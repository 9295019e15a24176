"""The connections between rank 0 and each other rank: what rank 0 announces, and how the end of a rank is noticed.

Two TCP connections lead from each rank to rank 0. On one, rank 0 announces what all ranks do next; its training thread
writes and the others' training threads read, in the order of the program. The other is read by a thread of its own, so
that the end of a process is noticed at once, whatever the training threads are doing.
"""

from __future__ import annotations

import json
import os
import secrets
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import torch
import torch.distributed as dist

from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, describe_exception

GRACE_SECONDS = 2.0
"""Seconds that ranks have to leave a run that has failed, and to say why, before they are considered lost."""

LEAVE_SECONDS = 30.0
"""Seconds that a rank has to leave a run that rank 0 has ended: it may be loading data, or wait for rank 0 for ever."""

_HEADER = struct.Struct(">q")
_GO_ON_WAITING, _RUN_ENDED = -1, -2
"""Lengths of announcements that stand for something else."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 6}
"""A machine that is gone, and so can't close its connections, is noticed after 35 seconds."""

SETUP_GRACE_SECONDS = 3.0
"""Seconds that rank 0, which loads its data first, has before the first step to find the mistake of another rank."""


class RankError(LrtuiError):
    """A run can't go on because a process that trains it has failed; the message says which and why."""


def is_lost_contact(error: BaseException) -> bool:
    """Return whether an exception, or one that it was raised from, is that of a collective operation that failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, dist.DistError):
            return True
        if isinstance(cause, RuntimeError) and any(name in str(cause) for name in ("/gloo/", "NCCL")):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


class Connections(Protocol):
    """The connections of this process to the other ranks."""

    def begin_run(self, stop: Callable[[str], object]) -> None:
        """Start to watch the other ranks.

        Args:
            stop: called in another thread when a rank asks to stop the run, with the reason.

        Raises:
            RankError: if a rank is gone.
        """
        ...

    def announce(self, message: bytes, *, is_step: bool = True) -> bytes:
        """Return rank 0's message, in all ranks.

        Args:
            is_step: whether the ranks have set up the run, and now wait for each other at each step.

        Raises:
            RankError: if a rank has failed.
        """
        ...

    def go_on_waiting(self) -> None:
        """Let the ranks that wait for an announcement wait for longer; of no effect in other ranks than 0.

        Raises:
            RankError: if a rank has failed.
        """
        ...

    def check(self) -> None:
        """Check that no rank is gone.

        Raises:
            RankError: if one is.
        """
        ...

    def ask_to_stop(self, because: str) -> None:
        """Ask rank 0 to stop the run; any thread may call it."""
        ...

    def explained(self, error: BaseException) -> BaseException:
        """Return the error that is the cause of what a run has raised: that of another rank, or the given one."""
        ...

    def end_run(self, error: BaseException | None) -> None:
        """Leave the run; the other ranks do so, too.

        Args:
            error: what failed in this rank; None if all ranks leave the run alike.
        """
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def connect(store: Any, rank: int, world_size: int, seconds: float) -> Connections:
    """Connect this process with the others; all call it.

    Args:
        store: a store of `torch.distributed`, used for nothing else.
        seconds: how long to wait for another rank, here and later.

    Raises:
        RankError: if the processes can't reach each other.
    """
    try:
        if rank == 0:
            return _FirstRank(store, world_size, seconds)
        return _OtherRank(store, rank, seconds)
    except OSError as error:
        raise RankError(f"rank {rank} can't reach the other processes: {error}") from error


class _FirstRank:
    """The connections of rank 0."""

    def __init__(self, store: Any, world_size: int, seconds: float) -> None:
        self._seconds = seconds
        self._announcing: dict[int, socket.socket] = {}
        self._watched: dict[int, socket.socket] = {}
        self._failure = ""
        self._has_failed = threading.Event()
        self._lock = threading.Lock()
        self._gone: set[int] = set()
        self._without_contact: set[int] = set()
        self._run = 0
        self._is_running = self._is_in_step = False
        self._stop: Callable[[str], object] = lambda because: None
        self._accept(store, world_size)
        DaemonThread(self._watch, "lrtui-ranks").start()

    def _accept(self, store: Any, world_size: int) -> None:
        is_one_machine = os.environ.get("LOCAL_WORLD_SIZE") == str(world_size)
        token = secrets.token_hex(16)
        with socket.create_server(("127.0.0.1" if is_one_machine else "", 0)) as server:
            store.set("token", token)
            store.set("port", str(server.getsockname()[1]))
            deadline = time.monotonic() + self._seconds
            while len(self._announcing) + len(self._watched) < 2 * (world_size - 1):
                server.settimeout(max(0.01, deadline - time.monotonic()))
                connection, _ = server.accept()
                connection.settimeout(GRACE_SECONDS)
                try:
                    greeting = json.loads(_receive(connection))
                    is_expected = secrets.compare_digest(str(greeting["token"]), token)
                except (OSError, ValueError, LookupError):
                    is_expected = False
                if not is_expected:
                    connection.close()
                    continue
                _tune(connection, self._seconds)
                kind = self._watched if greeting["is_watched"] else self._announcing
                kind[int(greeting["rank"])] = connection

    def begin_run(self, stop: Callable[[str], object]) -> None:
        self._run += 1
        self._failure = ""
        self._has_failed.clear()
        self._without_contact.clear()
        self._stop, self._is_running, self._is_in_step = stop, True, False
        for rank in sorted(self._gone):
            self._fail(_ended(rank))
        self.check()

    def announce(self, message: bytes, *, is_step: bool = True) -> bytes:
        self._is_in_step = self._is_in_step or is_step
        self._send(_HEADER.pack(len(message)) + message)
        return message

    def go_on_waiting(self) -> None:
        self._send(_HEADER.pack(_GO_ON_WAITING))

    def _send(self, frame: bytes) -> None:
        if self._failure:
            raise RankError(self._failure)
        for rank, connection in self._announcing.items():
            try:
                connection.sendall(frame)
            except OSError as error:
                if not self._has_failed.wait(GRACE_SECONDS):
                    self._fail(f"rank {rank} can't be reached any more: {error}")
                raise RankError(self._failure) from error

    def check(self) -> None:
        if self._failure:
            raise RankError(self._failure)

    def ask_to_stop(self, because: str) -> None:
        self._stop(because)

    def explained(self, error: BaseException) -> BaseException:
        if isinstance(error, RankError) or not is_lost_contact(error):
            return error
        # the rank that has ended, or the error that it has sent, is known before long
        if not self._has_failed.wait(GRACE_SECONDS):
            silent = [rank for rank in self._watched if rank not in self._without_contact]
            if silent:
                which = f"rank{'s' * (len(silent) > 1)} {', '.join(map(str, silent))}"
                self._fail(f"{which}: no answer within {self._seconds:g} seconds")
            else:
                self._fail(f"the connection between the processes is lost: {describe_exception(error)}")
        return RankError(self._failure)

    def end_run(self, error: BaseException | None) -> None:
        self._is_running = False
        if error is not None and self._is_in_step:
            self._tell("failed")
        self._tell("ended")
        for connection in self._announcing.values():
            with suppress(OSError):
                connection.sendall(_HEADER.pack(_RUN_ENDED))

    def close(self) -> None:
        self._is_running = False
        for connection in (*self._announcing.values(), *self._watched.values()):
            _close(connection)

    def _fail(self, text: str) -> None:
        if not self._failure:
            self._failure = text
        self._has_failed.set()

    # -- the thread that watches --------------------------------------------------------------------------------------

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for rank, connection in self._watched.items():
                selector.register(connection, selectors.EVENT_READ, rank)
            while selector.get_map():
                for key, _ in selector.select():
                    rank = key.data
                    try:
                        self._note(rank, json.loads(_receive(self._watched[rank])))
                    except (OSError, ValueError):
                        selector.unregister(key.fileobj)
                        self._gone.add(rank)
                        if self._is_running:
                            self._fail(_ended(rank))
                            self._let_others_leave()

    def _note(self, rank: int, record: dict[str, Any]) -> None:
        if record["run"] != self._run or not self._is_running:
            return
        if "stop" in record:
            self._stop(record["stop"])
        elif "contact" in record:
            self._without_contact.add(rank)
        elif "error" in record:
            self._fail(f"rank {rank}: {record['error']}")
            if self._is_in_step:
                self._let_others_leave()
            else:
                DaemonThread(partial(self._let_others_leave_later, self._run), "lrtui-ranks").start()

    def _let_others_leave(self) -> None:
        """End the other ranks' waiting for a rank that has failed, by which they hold up this one."""
        _abort_nccl()
        self._tell("failed")

    def _let_others_leave_later(self, run: int) -> None:
        time.sleep(SETUP_GRACE_SECONDS)
        if self._is_running and run == self._run:
            self._let_others_leave()

    def _tell(self, what: str) -> None:
        for connection in self._watched.values():
            with suppress(OSError), self._lock:
                _send_record(connection, {"run": self._run, what: True})


class _OtherRank:
    """The connections of a rank other than 0."""

    def __init__(self, store: Any, rank: int, seconds: float) -> None:
        self._seconds = seconds
        token, port = store.get("token").decode(), int(store.get("port"))
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
            host = "127.0.0.1"
        self._announced, self._watched = (
            _open(host, port, {"token": token, "rank": rank, "is_watched": is_watched}, seconds)
            for is_watched in (False, True)
        )
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._left.set()
        self._run = self._ended_run = 0
        self._is_first_gone = False
        DaemonThread(self._watch, "lrtui-ranks").start()

    def begin_run(self, stop: Callable[[str], object]) -> None:
        self._run += 1
        self._left.clear()

    def announce(self, message: bytes, *, is_step: bool = True) -> bytes:
        while True:
            try:
                length = _HEADER.unpack(_read(self._announced, _HEADER.size))[0]
                if length >= 0:
                    return _read(self._announced, length)
            except TimeoutError as error:
                raise RankError(f"rank 0: no answer within {self._seconds:g} seconds") from error
            except OSError as error:
                raise RankError("rank 0: its process has ended") from error
            if length == _RUN_ENDED:
                self._ended_run = self._run
                self._left.set()
                raise RankError("rank 0 has ended the run")

    def go_on_waiting(self) -> None:
        pass

    def check(self) -> None:
        if self._ended_run == self._run or self._is_first_gone:
            raise RankError("rank 0 has ended the run")

    def ask_to_stop(self, because: str) -> None:
        with suppress(OSError):
            self._report({"stop": because})

    def explained(self, error: BaseException) -> BaseException:
        return error

    def end_run(self, error: BaseException | None) -> None:
        with suppress(OSError):
            if error is not None and not isinstance(error, RankError):
                text = str(error) if isinstance(error, LrtuiError) else describe_exception(error)
                self._report({"contact" if is_lost_contact(error) else "error": text})
            # the run ends when rank 0 says so, which knows all ranks' errors
            while not (self._left.is_set() or self._is_first_gone):
                try:
                    self.announce(b"")
                except RankError as lost:
                    if isinstance(lost.__cause__, TimeoutError):
                        break
        self._left.set()

    @property
    def is_first_gone(self) -> bool:
        """Whether the process of rank 0 has ended."""
        return self._is_first_gone

    def close(self) -> None:
        _close(self._announced)
        _close(self._watched)

    def _report(self, record: dict[str, str]) -> None:
        with self._lock:
            _send_record(self._watched, {"run": self._run, **record})

    def _watch(self) -> None:
        while True:
            try:
                record = json.loads(_receive(self._watched))
            except TimeoutError:
                continue
            except (OSError, ValueError):
                self._is_first_gone = True
                # rank 0 may end a run, and its process, while this one is still setting up
                self._leave(0 if self._ended_run == self._run else 1, GRACE_SECONDS / 2)
                return
            if "ended" in record:
                self._ended_run = record["run"]
            if record["run"] == self._run:
                self._leave(0, GRACE_SECONDS / 2 if "failed" in record else LEAVE_SECONDS)

    def _leave(self, status: int, seconds: float) -> None:
        """End this process unless its training thread leaves the run: it may wait for ever for a rank that is gone.

        Only the end of a process closes gloo's connections, which releases the ranks that wait for this one.
        """
        if self._left.wait(seconds / 2):
            return
        _abort_nccl()
        if not self._left.wait(seconds / 2):
            os._exit(status)


def _ended(rank: int) -> str:
    return f"rank {rank}: its process has ended"


def _abort_nccl() -> None:
    """Let operations on GPUs end that wait for a rank that is gone; those on the CPU end with its connections."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return
    with suppress(Exception):
        backend: Any = dist.distributed_c10d._get_default_group()._get_backend(torch.device("cuda"))
        backend.abort()


# -- messages ---------------------------------------------------------------------------------------------------------


def _open(host: str, port: int, greeting: dict[str, Any], seconds: float) -> socket.socket:
    connection = socket.create_connection((host, port), seconds)
    _tune(connection, seconds)
    _send_record(connection, greeting)
    return connection


def _tune(connection: socket.socket, seconds: float) -> None:
    connection.settimeout(seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        # the names of Linux
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _close(connection: socket.socket) -> None:
    # a thread that reads from it is woken by shutdown only
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _send_record(connection: socket.socket, record: dict[str, Any]) -> None:
    data = json.dumps(record).encode()
    connection.sendall(_HEADER.pack(len(data)) + data)


def _receive(connection: socket.socket) -> bytes:
    return _read(connection, _HEADER.unpack(_read(connection, _HEADER.size))[0])


def _read(connection: socket.socket, size: int) -> bytes:
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
