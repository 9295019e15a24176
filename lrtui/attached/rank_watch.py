"""Notices a rank that waits in the script's own communication for ranks that wait for its next optimizer step."""

from __future__ import annotations

import sys
import time
import weakref
from pathlib import Path
from typing import Protocol

from lrtui.run.daemon_thread import DaemonThread

POLL_SECONDS = 2.0
"""Seconds between two looks at a thread that makes no steps."""

POLLS = 5
"""Looks in a row that must find it in the same place."""

_PLACES = (
    "torch/distributed/distributed_c10d.py",
    "torch/distributed/algorithms/join.py",
    "torch/nn/parallel/distributed.py",
)
"""Files of PyTorch whose functions wait for other ranks."""


class Watched(Protocol):
    """A rank that is watched."""

    steps: int
    """Optimizer steps done."""
    thread: int
    """The identifier of the thread that trains."""

    @property
    def is_connected(self) -> bool:
        """Whether it exchanges steps with other ranks."""
        ...

    def is_waited_for(self) -> bool:
        """Return whether another rank waits for its next step."""
        ...

    def give_way(self) -> None:
        """Let the other ranks go on without this one."""
        ...


def watch(rank: Watched) -> None:
    """Let a rank give way when it makes fewer steps than others, which would wait for each other otherwise.

    With uneven data, PyTorch's `Join` keeps a rank whose data has ended in a loop of collective operations; other
    scripts let it wait at a barrier. Neither makes a step. A rank that waits while no other one waits for its step is
    left alone: rank 0 may be busy with a test.
    """
    reference = weakref.ref(rank)
    DaemonThread(lambda: _watch(reference), "lrtui-ranks").start()


def _watch(reference: weakref.ref[Watched]) -> None:
    steps, polls = -1, 0
    while True:
        time.sleep(POLL_SECONDS)
        rank = reference()
        if rank is None or not rank.is_connected:
            return
        if rank.steps != steps or not _is_communicating(rank.thread):
            steps, polls = rank.steps, 0
        else:
            polls += 1
        if polls >= POLLS and rank.is_waited_for():
            rank.give_way()
            return
        del rank


def _is_communicating(thread: int) -> bool:
    """Return whether the thread is in a function of PyTorch that waits for other ranks."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if Path(frame.f_code.co_filename).as_posix().endswith(_PLACES):
            return True
        frame = frame.f_back
    return False
