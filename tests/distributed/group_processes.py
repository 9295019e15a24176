"""Processes that stay for a module of tests, connected by gloo."""

from __future__ import annotations

import multiprocessing
import os
import sys
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

SECONDS = 240
"""How long a call may take."""


class RankProcesses:
    """Several processes of one group, which call the same functions.

    Args:
        world_size: number of processes.
        folder: an empty folder, in which they find each other.
    """

    def __init__(self, world_size: int, folder: Path) -> None:
        # imports torch once
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch", "lrtui.training.train"])
        self._pipes, self._processes = [], []
        for rank in range(world_size):
            ours, theirs = context.Pipe()
            arguments = (rank, world_size, str(folder / "rendezvous"), theirs, sys.path)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def call(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Call `function(group, *arguments)` in all processes, and return the results by rank.

        Raises:
            AssertionError: with the traceback of a process in which it fails.
        """
        for pipe in self._pipes:
            pipe.send((function, arguments))
        results = []
        for rank, pipe in enumerate(self._pipes):
            assert pipe.poll(SECONDS), f"rank {rank} does not answer"
            result, error = pipe.recv()
            assert error is None, f"rank {rank}: {error}"
            results.append(result)
        return results

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(rank: int, world_size: int, rendezvous: str, pipe: Any, path: list[str]) -> None:
    sys.path[:] = path
    import torch
    import torch.distributed as dist

    from lrtui.distributed.process_group import ProcessGroup

    torch.set_num_threads(1)
    os.environ.pop("WORLD_SIZE", None)
    limit = timedelta(seconds=SECONDS)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=world_size, timeout=limit)
    group = ProcessGroup(rank, world_size, rank)
    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((function(group, *arguments), None))
        except BaseException:
            pipe.send((None, traceback.format_exc()))
