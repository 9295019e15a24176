"""The processes that train one run together, each of which computes a share of every batch."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from lrtui.distributed.network_interface import choose_interface
from lrtui.distributed.rank_connections import Connections, connect
from lrtui.distributed.torchrun import torchrun_rank
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.text.format import counted

LIMIT = timedelta(minutes=10)
"""How long a process waits for the others before the run fails; PyTorch's default of NCCL."""

POLL_SECONDS = 0.1
"""Seconds between two looks whether the first process of a machine has its data."""


class ProcessGroup:
    """This process among those that train one run.

    All processes call the same methods in the same order. A run of a single process has a group of one, `ALONE`, whose
    methods return what they are given.

    Args:
        rank: number of this process, from 0.
        world_size: number of processes.
        local_rank: number of this process among those of its machine, from 0.
        limit: how long to wait for the other processes.

    Raises:
        RankError: if the processes can't reach each other.
    """

    _made = 0
    """How many groups of several processes this process has made; equal in all of them."""

    def __init__(self, rank: int = 0, world_size: int = 1, local_rank: int = 0, limit: timedelta = LIMIT) -> None:
        self.rank, self.world_size, self.local_rank = rank, world_size, local_rank
        self._control: Any = None
        self._connections: Connections | None = None
        self._turns = 0
        if world_size > 1:
            # objects cross on the CPU, whatever the gradients cross on
            self._control = dist.new_group(backend="gloo", timeout=limit)
            ProcessGroup._made += 1
            c10d: Any = dist.distributed_c10d
            self._store = c10d.PrefixStore(f"lrtui/{ProcessGroup._made}", c10d._get_default_store())
            self._connections = connect(self._store, rank, world_size, limit.total_seconds())

    @classmethod
    def of_environment(cls, limit: timedelta = LIMIT) -> ProcessGroup:
        """Join the group that the environment of `torchrun` describes; return `ALONE` without one.

        Args:
            limit: how long to wait for the other processes.
        """
        found = torchrun_rank()
        if found is None:
            return ALONE
        if not dist.is_initialized():
            choose_interface()
            # rank 0 decides on the device later; NCCL connects when tensors of a GPU are exchanged first
            has_nccl = torch.cuda.is_available() and dist.is_nccl_available()
            dist.init_process_group("cpu:gloo,cuda:nccl" if has_nccl else "gloo", timeout=limit)
        return cls(dist.get_rank(), dist.get_world_size(), found.local_rank, limit)

    def use_device(self, device: torch.device) -> None:
        """Make this process's GPU the current one of the calling thread, if the run trains on GPUs.

        Raises:
            UsageError: if there are more processes than GPUs on this machine, or for a device other than CPU and CUDA.
        """
        if self.world_size == 1 or device.type == "cpu":
            return
        if device.type != "cuda":
            raise UsageError(
                f"{counted(self.world_size, 'process')} can't train together on {device.type}: use --device cpu"
            )
        if self.local_rank >= (gpus := torch.cuda.device_count()):
            raise UsageError(
                f"process {self.local_rank} of this machine has no GPU: there {'are' if gpus != 1 else 'is'} {gpus}; "
                "start as many processes as there are GPUs, or use --device cpu"
            )
        torch.cuda.set_device(self.local_rank)

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone reports and saves the run."""
        return self.rank == 0

    def share(self, samples: int) -> slice:
        """Return which of a batch's samples are this process's: consecutive ones, the first ranks having one more.

        Args:
            samples: samples of the whole batch.
        """
        size, more = divmod(samples, self.world_size)
        start = self.rank * size + min(self.rank, more)
        return slice(start, start + size + (self.rank < more))

    def of_rank(self, rank: int) -> ProcessGroup:
        """Return what knows the shares of another process; it exchanges nothing."""
        other = copy.copy(self)
        other.rank = rank
        return other

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums over the processes of each element, in all processes; `values` is overwritten.

        Args:
            values: of the same shape in all processes, on the device of the run.
        """
        if self.world_size > 1:
            # on the CPU DistributedDataParallel has the default group to itself: when it sends gradients, within a
            # backward pass, can differ between processes
            dist.all_reduce(values, group=self._control if values.device.type == "cpu" else None)
        return values

    def max(self, values: torch.Tensor) -> torch.Tensor:
        """Return the maximum over the processes of each element, in all processes; `values` is overwritten.

        Args:
            values: of the same shape in all processes, on the CPU; no device is waited for.
        """
        if self.world_size > 1:
            dist.all_reduce(values, dist.ReduceOp.MAX, group=self._control)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value in all processes; it is pickled, and tensors in it have to be on the CPU.

        Raises:
            RankError: as for `announce`.
        """
        if self._connections is None:
            return value
        message = packed(value) if self.is_first else b""
        message = self._connections.announce(message, is_step=False)
        return value if self.is_first else _unpacked(message)

    def in_first(self, compute: Callable[[], Any]) -> Any:
        """Call a function in rank 0; return its value, or raise its error, in all processes.

        Raises:
            LrtuiError: the one that the function raises; any other error ends rank 0 alone.
            RankError: as for `announce`.
        """
        if self.world_size == 1:
            return compute()
        value, error = None, None
        if self.is_first:
            try:
                value = compute()
            except LrtuiError as caught:
                error = caught
        value, error = self.broadcast((value, error))
        if error is not None:
            raise error
        return value

    def scatter(self, values: Sequence[Any] | None) -> Any:
        """Return this process's one of the values that rank 0 has for each; they are pickled, as in `broadcast`.

        Args:
            values: one per process, by rank; None in the others.
        """
        if self.world_size == 1:
            assert values is not None
            return values[0]
        received: list[Any] = [None]
        messages = None if values is None else [packed(value) for value in values]
        dist.scatter_object_list(received, messages, src=0, group=self._control)
        return _unpacked(received[0])

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes by rank in rank 0, and an empty list in the others."""
        if self.world_size == 1:
            return [value]
        found: list[Any] | None = [None] * self.world_size if self.is_first else None
        dist.gather_object(packed(value), found, dst=0, group=self._control)
        return [_unpacked(each) for each in found or []]

    # -- a run --------------------------------------------------------------------------------------------------------

    def begin_run(self, stop: Callable[[str], object]) -> None:
        """Start to watch the other processes; all of them call it.

        Args:
            stop: called in rank 0, in another thread, when a process asks to stop the run, with the reason.

        Raises:
            RankError: if one has ended.
        """
        if self._connections is not None:
            self._connections.begin_run(stop)

    def end_run(self, error: BaseException | None) -> None:
        """Let all processes leave the run; the others wait here until rank 0 leaves it.

        Args:
            error: what failed in this process; None if all leave the run alike.
        """
        if self._connections is not None:
            self._connections.end_run(error)

    def announce(self, message: bytes) -> bytes:
        """Return rank 0's message in all processes, each of which calls it before a step; rank 0 waits for no other.

        Raises:
            RankError: a process has failed, or rank 0 has ended the run.
        """
        return message if self._connections is None else self._connections.announce(message)

    def go_on_waiting(self) -> None:
        """Tell the processes that wait for an announcement that rank 0 has nothing to announce for longer.

        Raises:
            RankError: a process has failed.
        """
        if self._connections is not None:
            self._connections.go_on_waiting()

    def check(self) -> None:
        """Check that the other processes have not ended, and that rank 0 has not ended the run.

        Raises:
            RankError: if one has.
        """
        if self._connections is not None:
            self._connections.check()

    @property
    def is_first_lost(self) -> bool:
        """Whether rank 0 is another process that has ended before the run."""
        return self._connections is not None and self._connections.is_first_lost

    def ask_to_stop(self, because: str) -> None:
        """Ask rank 0 to stop the run, from any process and any thread."""
        if self._connections is not None:
            self._connections.ask_to_stop(because)

    def explained(self, error: BaseException) -> BaseException:
        """Return the error of the process that has failed, if that is the cause of this one; else the error itself."""
        return error if self._connections is None else self._connections.explained(error)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Let the first process of this machine go through the block before the others, which find what it downloads.

        Nothing is exchanged in the block.

        Raises:
            RankError: a process has failed, or rank 0 has ended the run.
        """
        if self._connections is None:
            yield
            return
        self._turns += 1
        key = f"turn/{self._turns}/{self.rank - self.local_rank}"
        while self.local_rank and not self._store.check([key]):
            self.check()
            time.sleep(POLL_SECONDS)
        yield
        if not self.local_rank:
            self._store.set(key, "")

    def close(self) -> None:
        """Leave the group, after the last run."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None
            dist.destroy_process_group()


def packed(value: Any) -> bytes:
    """Return a value as bytes; pickle alone can't load a tensor of some types, such as uint32."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _unpacked(message: bytes) -> Any:
    # from a process of the same run, with objects of the user's classes
    return torch.load(io.BytesIO(message), weights_only=False)


ALONE = ProcessGroup()
"""The group of a run that a single process trains."""
