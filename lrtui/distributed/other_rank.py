"""The connections of a rank other than 0 to rank 0."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from lrtui.distributed.lost_machine import address_of_peer, end_connections, is_lost_machine, own_addresses
from lrtui.distributed.rank_error import GRACE_SECONDS, RankError, abort_nccl, is_lost_contact
from lrtui.distributed.rank_messages import (
    HEADER,
    RUN_ENDED,
    close_connection,
    open_connection,
    read_exactly,
    receive_record,
    send_record,
)
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, describe_exception

LEAVE_SECONDS = 30.0
"""Seconds that a rank has to leave a run that rank 0 has ended: it may be loading data, or wait for rank 0 forever."""


class OtherRank:
    """The connections of a rank other than 0."""

    def __init__(self, store: Any, rank: int, seconds: float) -> None:
        self._seconds = seconds
        token, port = store.get("token").decode(), int(store.get("port"))
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        if os.environ.get("LOCAL_WORLD_SIZE") == os.environ.get("WORLD_SIZE"):
            host = "127.0.0.1"
        about = {"token": token, "rank": rank, "host": socket.gethostname(), "addresses": own_addresses()}
        self._announced, self._watched = (
            open_connection(host, port, {**about, "is_watched": is_watched}, seconds) for is_watched in (False, True)
        )
        self._address_of_first = address_of_peer(self._watched)
        first = store.get("host").decode()
        self._first = "rank 0" + ("" if first == socket.gethostname() else f" on {first}")
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._left.set()
        self._run = self._ended_run = 0
        self._lost_first = ""
        """What became of rank 0; an empty string while it is there."""
        DaemonThread(self._watch, "lrtui-ranks").start()

    def begin_run(self, stop: Callable[[str], object]) -> None:
        self._run += 1
        self._left.clear()

    def announce(self, message: bytes, *, is_step: bool = True) -> bytes:
        while True:
            try:
                length = HEADER.unpack(read_exactly(self._announced, HEADER.size))[0]
                if length >= 0:
                    return read_exactly(self._announced, length)
            except OSError as error:
                if isinstance(error, TimeoutError) and not is_lost_machine(error):
                    raise RankError(f"{self._first}: no answer within {self._seconds:g} seconds") from error
                self._lost_first = self._describe_loss(error)
                raise RankError(self._lost_first) from error
            if length == RUN_ENDED:
                self._ended_run = self._run
                self._left.set()
                raise RankError("rank 0 has ended the run")

    def go_on_waiting(self) -> None:
        pass

    def check(self) -> None:
        if self._ended_run == self._run or self._lost_first:
            raise RankError(self._lost_first or "rank 0 has ended the run")

    @property
    def is_first_lost(self) -> bool:
        return bool(self._lost_first) and self._ended_run != self._run

    def ask_to_stop(self, because: str) -> None:
        with suppress(OSError):
            self._report({"stop": because})

    def explained(self, error: BaseException) -> BaseException:
        return RankError(self._lost_first) if self._lost_first and is_lost_contact(error) else error

    def end_run(self, error: BaseException | None) -> None:
        with suppress(OSError):
            if error is not None and not isinstance(error, RankError):
                text = str(error) if isinstance(error, LrtuiError) else describe_exception(error)
                self._report({"contact" if is_lost_contact(error) else "error": text})
            # the run ends when rank 0 says so, which knows all ranks' errors
            while not (self._left.is_set() or self._lost_first):
                try:
                    self.announce(b"")
                except RankError as lost:
                    if isinstance(lost.__cause__, TimeoutError):
                        break
        self._left.set()

    def close(self) -> None:
        close_connection(self._announced)
        close_connection(self._watched)

    def _report(self, record: dict[str, str]) -> None:
        with self._lock:
            send_record(self._watched, {"run": self._run, **record})

    def _watch(self) -> None:
        while True:
            try:
                record = receive_record(self._watched)
            except (OSError, ValueError) as error:
                is_lost = is_lost_machine(error)
                if isinstance(error, TimeoutError) and not is_lost:
                    continue
                self._lost_first = self._describe_loss(error)
                if is_lost:
                    # the training thread may wait in gloo
                    end_connections([self._address_of_first])
                # rank 0 may end a run, and its process, while this one is still setting up
                last_words = self._lost_first if is_lost else ""
                self._leave(0 if self._ended_run == self._run else 1, GRACE_SECONDS / 2, last_words)
                return
            if "ended" in record:
                self._ended_run = record["run"]
            if record["run"] == self._run:
                self._leave(0, GRACE_SECONDS / 2 if "failed" in record else LEAVE_SECONDS)

    def _describe_loss(self, error: BaseException) -> str:
        is_lost = is_lost_machine(error)
        return f"{self._first}: " + ("its machine can't be reached any more" if is_lost else "its process has ended")

    def _leave(self, status: int, seconds: float, last_words: str = "") -> None:
        """End this process unless its training thread leaves the run: it may wait forever for a rank that has ended.

        Only the end of a process closes gloo's connections, which releases the ranks that wait for this one.
        """
        if self._left.wait(seconds / 2):
            return
        abort_nccl()
        if not self._left.wait(seconds / 2):
            if status and last_words:
                os.write(2, f"lrtui: {last_words}\n".encode())
            os._exit(status)
