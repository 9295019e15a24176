"""The connections between rank 0 and each other rank: what rank 0 announces, and how the end of a rank is noticed.

Two TCP connections lead from each rank to rank 0. On one, rank 0 announces what all ranks do next; its training thread
writes and the others' training threads read, in the order of the program. The other is read by a thread of its own, so
that the end of a process is noticed at once, whatever the training threads are doing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from lrtui.distributed.first_rank import FirstRank
from lrtui.distributed.other_rank import OtherRank
from lrtui.distributed.rank_error import RankError


class Connections(Protocol):
    """The connections of this process to the other ranks."""

    def begin_run(self, stop: Callable[[str], object]) -> None:
        """Start to watch the other ranks.

        Args:
            stop: called in another thread when a rank asks to stop the run, with the reason.

        Raises:
            RankError: if a rank has ended.
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
        """Check that no rank has ended.

        Raises:
            RankError: if one is.
        """
        ...

    @property
    def is_first_lost(self) -> bool:
        """Whether rank 0 has ended before it has ended the run, so that only this rank can report it."""
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
            return FirstRank(store, world_size, seconds)
        return OtherRank(store, rank, seconds)
    except OSError as error:
        raise RankError(f"rank {rank} can't reach the other processes: {error}") from error
