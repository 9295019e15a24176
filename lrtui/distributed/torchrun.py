"""What torchrun tells each of the processes that it starts, in environment variables; imports no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TorchrunRank:
    """One of the processes that torchrun has started together.

    Args:
        rank: number of this process, from 0.
        world_size: number of processes, at least 2.
        local_rank: number of this process among those of its machine, from 0.
    """

    rank: int
    world_size: int
    local_rank: int


def torchrun_rank(environment: Mapping[str, str] = os.environ) -> TorchrunRank | None:
    """Return which of torchrun's processes this is; None without torchrun, and for a process that it started alone."""
    if "MASTER_ADDR" not in environment:
        return None
    values = [environment.get(name, "") for name in ("RANK", "WORLD_SIZE")]
    if not all(value.isdecimal() for value in values) or int(values[1]) < 2:
        return None
    local_rank = environment.get("LOCAL_RANK", "")
    return TorchrunRank(int(values[0]), int(values[1]), int(local_rank) if local_rank.isdecimal() else 0)


def is_first_rank() -> bool:
    """Return whether this process speaks for the run: rank 0, or a process without torchrun."""
    found = torchrun_rank()
    return found is None or found.rank == 0
