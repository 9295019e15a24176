"""The processes that train one run together, each of which computes a share of every batch."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from lrtui.distributed.torchrun import torchrun_rank
from lrtui.run.errors import UsageError

LIMIT = timedelta(minutes=10)
"""How long a process waits for the others before the run fails; PyTorch's default of NCCL."""


class ProcessGroup:
    """This process among those that train one run.

    All processes call the same methods in the same order. A run of a single process has a group of one, `ALONE`, whose
    methods return what they are given.

    Args:
        rank: number of this process, from 0.
        world_size: number of processes.
        local_rank: number of this process among those of its machine, from 0.
    """

    def __init__(self, rank: int = 0, world_size: int = 1, local_rank: int = 0) -> None:
        self.rank, self.world_size, self.local_rank = rank, world_size, local_rank
        # objects and commands cross on the CPU, whatever the gradients cross on
        self._control: Any = dist.new_group(backend="gloo", timeout=LIMIT) if world_size > 1 else None

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
            # rank 0 decides on the device later; NCCL connects when tensors of a GPU are exchanged first
            has_nccl = torch.cuda.is_available() and dist.is_nccl_available()
            dist.init_process_group("cpu:gloo,cuda:nccl" if has_nccl else "gloo", timeout=limit)
        return cls(dist.get_rank(), dist.get_world_size(), found.local_rank)

    def use_device(self, device: torch.device) -> None:
        """Make this process's GPU the current one of the calling thread, if the run trains on GPUs.

        Raises:
            UsageError: if there are more processes than GPUs on this machine, or for a device other than CPU and CUDA.
        """
        if self.world_size == 1 or device.type == "cpu":
            return
        if device.type != "cuda":
            raise UsageError(f"{self.world_size} processes can't train together on {device.type}: use --device cpu")
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

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums over the processes of each element, in all processes; `values` is overwritten.

        Args:
            values: of the same shape in all processes, on the device of the run.
        """
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value in all processes; it is pickled, and tensors in it have to be on the CPU."""
        if self.world_size == 1:
            return value
        values = [value if self.is_first else None]
        dist.broadcast_object_list(values, src=0, group=self._control)
        return values[0]

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes by rank in rank 0, and an empty list in the others."""
        if self.world_size == 1:
            return [value]
        found: list[Any] | None = [None] * self.world_size if self.is_first else None
        dist.gather_object(value, found, dst=0, group=self._control)
        return found or []


ALONE = ProcessGroup()
"""The group of a run that a single process trains."""
