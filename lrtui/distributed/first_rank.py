"""The connections of rank 0 to the other ranks."""

from __future__ import annotations

import os
import secrets
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from lrtui.distributed.lost_machine import address_of_peer, end_connections, is_lost_machine
from lrtui.distributed.open_port import open_port
from lrtui.distributed.rank_error import GRACE_SECONDS, RankError, abort_nccl, is_lost_contact
from lrtui.distributed.rank_messages import (
    GO_ON_WAITING,
    HEADER,
    RUN_ENDED,
    close_connection,
    receive_record,
    send_record,
    tune_connection,
)
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import describe_exception

SETUP_GRACE_SECONDS = 3.0
"""Seconds that rank 0, which loads its data first, has before the first step to find the mistake of another rank."""


class FirstRank:
    """The connections of rank 0."""

    def __init__(self, store: Any, world_size: int, seconds: float) -> None:
        self._seconds = seconds
        self._announcing: dict[int, socket.socket] = {}
        self._watched: dict[int, socket.socket] = {}
        self._names: dict[int, str] = {}
        self._addresses: dict[int, list[str]] = {}
        self._failure = ""
        self._has_failed = threading.Event()
        self._lock = threading.Lock()
        self._gone: dict[int, str] = {}
        self._without_contact: set[int] = set()
        self._run = 0
        self._is_running = self._is_in_step = False
        self._stop: Callable[[str], object] = lambda because: None
        self._accept(store, world_size)
        selector = selectors.DefaultSelector()
        for rank, connection in self._watched.items():
            selector.register(connection, selectors.EVENT_READ, rank)
        DaemonThread(partial(self._watch, selector), "lrtui-ranks").start()

    def _accept(self, store: Any, world_size: int) -> None:
        is_one_machine = os.environ.get("LOCAL_WORLD_SIZE") == str(world_size)
        token = secrets.token_hex(16)
        with open_port(is_local=is_one_machine) as server:
            store.set("token", token)
            store.set("host", socket.gethostname())
            store.set("port", str(server.getsockname()[1]))
            deadline = time.monotonic() + self._seconds
            while len(self._announcing) + len(self._watched) < 2 * (world_size - 1):
                server.settimeout(max(0.01, deadline - time.monotonic()))
                connection, _ = server.accept()
                connection.settimeout(GRACE_SECONDS)
                try:
                    greeting = receive_record(connection)
                    is_expected = secrets.compare_digest(str(greeting["token"]).encode(), token.encode())
                except (OSError, ValueError, LookupError, RecursionError):
                    # anything may connect, and send anything
                    is_expected = False
                if not is_expected:
                    connection.close()
                    continue
                tune_connection(connection, self._seconds)
                kind = self._watched if greeting["is_watched"] else self._announcing
                rank = int(greeting["rank"])
                kind[rank] = connection
                is_here = greeting["host"] == socket.gethostname()
                self._names[rank] = f"rank {rank}" + ("" if is_here else f" on {greeting['host']}")
                self._addresses[rank] = [*greeting["addresses"], address_of_peer(connection)]

    def begin_run(self, stop: Callable[[str], object]) -> None:
        self._run += 1
        self._failure = ""
        self._has_failed.clear()
        self._without_contact.clear()
        self._stop, self._is_running, self._is_in_step = stop, True, False
        for rank in sorted(self._gone):
            self._fail(self._gone[rank])
        self.check()

    def announce(self, message: bytes, *, is_step: bool = True) -> bytes:
        self._is_in_step = self._is_in_step or is_step
        self._send(HEADER.pack(len(message)) + message)
        return message

    def go_on_waiting(self) -> None:
        self._send(HEADER.pack(GO_ON_WAITING))

    def _send(self, frame: bytes) -> None:
        if self._failure:
            raise RankError(self._failure)
        for rank, connection in self._announcing.items():
            try:
                connection.sendall(frame)
            except OSError as error:
                if not self._has_failed.wait(GRACE_SECONDS):
                    self._fail(f"{self._names[rank]} can't be reached any more: {error}")
                raise RankError(self._failure) from error

    def check(self) -> None:
        if self._failure:
            raise RankError(self._failure)

    @property
    def is_first_lost(self) -> bool:
        return False

    def ask_to_stop(self, because: str) -> None:
        self._stop(because)

    def explained(self, error: BaseException) -> BaseException:
        if isinstance(error, RankError) or not is_lost_contact(error):
            return error
        # the rank that has ended, or the error that it has sent, is known before long
        if not self._has_failed.wait(GRACE_SECONDS):
            silent = [rank for rank in self._watched if rank not in self._without_contact]
            if silent:
                self._fail(
                    f"{', '.join(self._names[rank] for rank in silent)}: no answer within {self._seconds:g} seconds"
                )
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
                connection.sendall(HEADER.pack(RUN_ENDED))

    def close(self) -> None:
        self._is_running = False
        for connection in (*self._announcing.values(), *self._watched.values()):
            close_connection(connection)

    def _fail(self, text: str) -> None:
        if not self._failure:
            self._failure = text
        self._has_failed.set()

    # -- the thread that watches --------------------------------------------------------------------------------------

    def _watch(self, selector: selectors.BaseSelector) -> None:
        with selector:
            while selector.get_map():
                for key, _ in selector.select():
                    rank = key.data
                    try:
                        self._note(rank, receive_record(self._watched[rank]))
                    except (OSError, ValueError) as error:
                        selector.unregister(key.fileobj)
                        is_lost = is_lost_machine(error)
                        end = "its machine can't be reached any more" if is_lost else "its process has ended"
                        self._gone[rank] = f"{self._names[rank]}: {end}"
                        if self._is_running:
                            self._fail(self._gone[rank])
                            self._let_others_leave()
                        if is_lost:
                            # the training thread may wait in gloo
                            end_connections(self._addresses[rank])

    def _note(self, rank: int, record: dict[str, Any]) -> None:
        if record["run"] != self._run or not self._is_running:
            return
        if "stop" in record:
            self._stop(record["stop"])
        elif "contact" in record:
            self._without_contact.add(rank)
        elif "error" in record:
            self._fail(f"{self._names[rank]}: {record['error']}")
            if self._is_in_step:
                self._let_others_leave()
            else:
                DaemonThread(partial(self._let_others_leave_later, self._run), "lrtui-ranks").start()

    def _let_others_leave(self) -> None:
        """End the other ranks' waiting for a rank that has failed, by which they hold up this one."""
        abort_nccl()
        self._tell("failed")

    def _let_others_leave_later(self, run: int) -> None:
        time.sleep(SETUP_GRACE_SECONDS)
        if self._is_running and run == self._run:
            self._let_others_leave()

    def _tell(self, what: str) -> None:
        for connection in self._watched.values():
            with suppress(OSError), self._lock:
                send_record(connection, {"run": self._run, what: True})
