"""The connections between the processes of one training: a gloo group of lrtui's own."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from lrtui.run.errors import LrtuiError

ARRIVAL_SECONDS = 30.0
"""Seconds that `attach` waits in one process until it is called in all the others."""

SLICE = timedelta(seconds=1)
"""Longest wait that Ctrl+C can't interrupt."""

DEFAULT_LIMIT = timedelta(minutes=10)
"""How long a rank waits for another one where the script's own limit is unknown; PyTorch's limit of NCCL."""

FAREWELL_SECONDS = 2.0
"""Seconds that a rank that ends waits until the others have noticed; they may do so later."""


class RanksError(LrtuiError):
    """The ranks can't act together any more; the message says why."""


class RankGroup:
    """Collective operations on the CPU between all ranks; they never touch the script's process groups or CUDA streams.

    The group is not one of `torch.distributed.new_group`, which all ranks have to call and which is destroyed by
    `destroy_process_group`.

    Args:
        store: where the ranks find each other.
        limit: how long an operation may take until a rank counts as lost.
    """

    def __init__(self, store: Any, rank: int, world_size: int, limit: timedelta) -> None:
        self.rank = rank
        self.world_size = world_size
        self.limit = limit
        self._store = store
        self._options: Any = dist.AllreduceOptions()
        self._options.reduceOp = dist.ReduceOp.MAX
        self._options.timeout = limit
        self._group: Any = dist.ProcessGroupGloo(store, rank, world_size, timeout=timedelta(seconds=ARRIVAL_SECONDS))
        self._last: Any = None
        """The operation started last."""

    def start_maximum(self, vector: torch.Tensor) -> Any:
        """Start to replace each element by its maximum over the ranks; return the operation, for `wait`."""
        self._last = self._group.allreduce([vector], self._options)
        return self._last

    def send_text(self, text: str | None, size: int) -> str:
        """Return the text of rank 0, whose UTF-8 form has `size` bytes."""
        data = torch.zeros(size, dtype=torch.uint8)
        if text is not None:
            data = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        options: Any = dist.BroadcastOptions()
        options.rootRank, options.timeout = 0, self.limit
        self._last = self._group.broadcast([data], options)
        self.wait(self._last)
        return bytes(data.tolist()).decode()

    def gather(self, values: Sequence[float], size: int) -> list[list[float]]:
        """Return the values of every rank; `size` is the number of values of the rank that has most."""
        own = torch.tensor([len(values), *values, *[0.0] * (size - len(values))], dtype=torch.float64)
        rows = [torch.empty_like(own) for _ in range(self.world_size)]
        c10d: Any = dist.distributed_c10d
        options = c10d.AllgatherOptions()
        options.timeout = self.limit
        self._last = self._group.allgather([rows], [own], options)
        self.wait(self._last)
        return [row[1 : 1 + int(row[0])].tolist() for row in rows]

    def wait(self, work: Any, limit: float | None = None) -> bool:
        """Wait for an operation; return whether it is done.

        Args:
            limit: seconds after which it is left undone; None for the group's limit, after which the ranks are lost.

        Raises:
            RanksError: a rank has died or takes too long.
        """
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            is_completed = work.is_completed()
            try:
                work.wait(SLICE)
                return True
            except RuntimeError as error:
                # a wait that takes longer than its slice raises the same class of error
                if is_completed:
                    raise RanksError(_reason(error)) from error
            if deadline is not None and time.monotonic() > deadline:
                return False

    def note_wait(self, step: int) -> None:
        """Let the other ranks know that this one waits for their step."""
        with suppress(RuntimeError):
            self._store.set(f"waits-for/{step}", "")

    def is_waited_for(self, step: int) -> bool:
        """Return whether another rank waits for this one's step."""
        with suppress(RuntimeError):
            return bool(self._store.check([f"waits-for/{step}"]))
        return False

    def say_farewell(self, vector: torch.Tensor) -> None:
        """Take part in the others' next maximum, and close the connections; waits a moment, and never raises."""
        with suppress(RuntimeError, RanksError):
            self.wait(self.start_maximum(vector), FAREWELL_SECONDS)
        self.close()

    def close(self) -> None:
        """Close the connections, which the other ranks notice."""
        group, self._group = self._group, None
        last, self._last = self._last, None
        if group is not None and last is not None and not last.is_completed():
            # the destructor would wait for the operation; the end of the process closes the connections
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(group))


def _reason(error: RuntimeError) -> str:
    if "timed out" in str(error).lower():
        return "another rank has not answered for too long"
    return "the connection to another rank is closed; its process has probably ended"


def script_limit() -> timedelta:
    """Return how long the script's own process group waits for a rank."""
    try:
        group = dist.distributed_c10d._get_default_group()
        device = torch.device("cuda" if dist.get_backend(group) == "nccl" else "cpu")
        limit = group._get_backend(device).options._timeout
    except (AttributeError, RuntimeError, ValueError):
        return DEFAULT_LIMIT
    return limit if isinstance(limit, timedelta) else DEFAULT_LIMIT


def all_arrive(store: Any, world_size: int, seconds: float, report: Callable[[str], object]) -> bool:
    """Wait until all ranks have called this; return whether they have, the same in each.

    Args:
        store: a store of `torch.distributed` that is used for nothing else.
        seconds: how long to wait for the last one.
        report: receives a sentence about a wait that others may wonder about.
    """
    if store.add("arrived", 1) == world_size:
        store.compare_set("outcome", "", "all")
    started, pause, is_reported = time.monotonic(), 0.001, False
    while not store.check(["outcome"]):
        waited = time.monotonic() - started
        if waited > seconds / 6 and not is_reported:
            is_reported = True
            report(f"waiting for lrtui.attach in the other ranks, {seconds:.0f} seconds at most")
        if waited > seconds:
            # the last rank may arrive at this moment: the first to write decides
            store.compare_set("outcome", "", "some")
        time.sleep(pause)
        pause = min(2 * pause, 0.1)
    return bool(store.get("outcome") == b"all")
