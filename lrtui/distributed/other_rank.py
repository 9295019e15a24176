"""The connections of a rank other than 0 to rank 0."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

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
        self._announced, self._watched = (
            open_connection(host, port, {"token": token, "rank": rank, "is_watched": is_watched}, seconds)
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
                length = HEADER.unpack(read_exactly(self._announced, HEADER.size))[0]
                if length >= 0:
                    return read_exactly(self._announced, length)
            except TimeoutError as error:
                raise RankError(f"rank 0: no answer within {self._seconds:g} seconds") from error
            except OSError as error:
                raise RankError("rank 0: its process has ended") from error
            if length == RUN_ENDED:
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
        """End this process unless its training thread leaves the run: it may wait forever for a rank that has ended.

        Only the end of a process closes gloo's connections, which releases the ranks that wait for this one.
        """
        if self._left.wait(seconds / 2):
            return
        abort_nccl()
        if not self._left.wait(seconds / 2):
            os._exit(status)
