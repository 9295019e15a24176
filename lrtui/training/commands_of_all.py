"""The commands of a run's user, which all processes that train the run carry out before the same step."""

from __future__ import annotations

import pickle

from lrtui.distributed.process_group import ProcessGroup
from lrtui.run.commands import Command, Hold, RangeTest
from lrtui.run.errors import UsageError
from lrtui.run.gate import Gate
from lrtui.run.inbox import Inbox
from lrtui.run.range_feed import RangeEnd

WAIT_SECONDS = 0.5
"""Seconds after which rank 0, while it waits, looks whether the other processes are still there."""

_YES, _NO = b"1", b""

ONE_PROCESS = "a run of several processes has no range test: run one on a fresh model, or with --nproc 1"


class CommandsOfAll:
    """Takes commands from the inbox of rank 0, in all processes; with a single process, those of the inbox.

    All processes call the same methods in the same order.

    Args:
        inbox: where users' commands arrive; those of other processes than rank 0 are not carried out.
        group: the processes that train the run.
    """

    def __init__(self, inbox: Inbox, group: ProcessGroup) -> None:
        self._inbox, self._group = inbox, group
        self._is_alone = group.world_size == 1

    def is_any(self, is_other_work: bool) -> bool:
        """Return whether rank 0 has a command or other work to do.

        Raises:
            RankError: a process has failed.
        """
        return self.agree(len(self._inbox) > 0 or is_other_work)

    def agree(self, answer: bool) -> bool:
        """Return rank 0's answer in all processes.

        Raises:
            RankError: a process has failed.
        """
        if self._is_alone:
            return answer
        return self._group.announce(_YES if answer else _NO) == _YES

    def take(self) -> Command | None:
        """Return the next command; None if there is none.

        Raises:
            RankError: a process has failed.
        """
        if self._is_alone:
            return self._inbox.take()
        command = self._own() if self._group.is_first else None
        if isinstance(command, Hold):
            return command
        data = self._group.announce(pickle.dumps(command) if command is not None else b"")
        if self._group.is_first or not data:
            return command
        shared: Command = pickle.loads(data)
        return shared

    def _own(self) -> Command | None:
        """Return the next command of rank 0's inbox that all processes can carry out, or that rank 0 waits for."""
        while isinstance(command := self._inbox.take(), RangeTest):
            command.feed.close(RangeEnd("failed", UsageError(ONE_PROCESS)))
        return command

    def wait(self) -> None:
        """Wait for a command.

        Raises:
            RankError: a process has failed.
        """
        if self._is_alone:
            self._inbox.wait()
        elif self._group.is_first:
            while not self._inbox.wait(WAIT_SECONDS):
                self._group.go_on_waiting()

    def hold(self, gate: Gate) -> None:
        """Wait until the gate is left.

        Raises:
            RankError: a process has failed.
        """
        while not gate.hold(None if self._is_alone else WAIT_SECONDS):
            self._group.go_on_waiting()
