"""A rank of a run that several workers train together: what differs from a worker that trains a run alone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.engine.own_process import import_torch, tune_memory, tune_thread
from lrtui.engine.time_slice import COMPUTING_SECONDS
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.events import Event
from lrtui.run.feed import LiveFeed, StepBlock
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.training.reporter import Reporter

if TYPE_CHECKING:
    from lrtui.distributed.process_group import ProcessGroup

ORPHANED_SECONDS = 60.0
"""Seconds that a process may take to end after the agent that started it."""


def enter(directory: Path | None, path: Sequence[str]) -> None:
    """Look for files and modules where the driver does.

    Args:
        directory: its working directory; None where there is another file system.
        path: its `sys.path`.
    """
    if directory is not None:
        os.chdir(directory)
    sys.path += [each for each in path if each not in sys.path]


def joined_group(place: tuple[Path | None, Sequence[str]] | None) -> ProcessGroup:
    """Return the group of the processes that train the run, which all use the files of rank 0.

    Args:
        place: the arguments of `enter`; None in other ranks than 0.

    Raises:
        Exception: what torch.distributed raises if they can't be connected.
    """
    from lrtui.distributed.process_group import ProcessGroup

    group = ProcessGroup.of_environment()
    found = group.broadcast(place)
    if not group.is_first:
        enter(*found)
    return group


class _UnreadFeed(LiveFeed):
    """The feed of a rank other than 0, which reports for all."""

    def publish(self, event: Event | StepBlock) -> None:
        """Drop the event."""


def follow_rank_0() -> int:
    """Train as one of the processes besides rank 0, and return the exit status."""
    # rank 0 is asked to end as well, and stops all of them at the same step
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent(lambda: None)
    tune_thread(COMPUTING_SECONDS)
    import_torch()
    from lrtui.training.random_state import own_random_states
    from lrtui.training.train import train

    tune_memory()
    group = joined_group(None)
    with own_random_states():
        error = train(RunSpec(), Inbox(), Reporter(_UnreadFeed()), group=group)
    group.close()
    return 0 if error is None else 1


def end_with_parent(stop: Callable[[], object]) -> None:
    """End this process if its parent, the agent that has started all ranks, ends.

    Args:
        stop: called at once; the process is killed if it has not ended some time later.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        stop()
        time.sleep(ORPHANED_SECONDS)
        os._exit(1)

    DaemonThread(watch, "parent-watch").start()
