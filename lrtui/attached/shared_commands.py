"""The commands of an attached run, which all its processes carry out at the same step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch

from lrtui.attached.rank_group import RanksError
from lrtui.attached.ranks import Ranks
from lrtui.run.commands import Command
from lrtui.run.errors import NotationError
from lrtui.run.inbox import Inbox
from lrtui.schedules.command_notation import parse_command

PAUSE_SECONDS = 0.5
"""Seconds between two exchanges of the ranks in a pause: as long as the end of a rank may go unnoticed."""


class SharedCommands:
    """Takes commands from the inbox of rank 0 and hands them to all ranks; without ranks, those of the inbox.

    Args:
        inbox: where users' commands arrive; empty in all ranks but 0.
        ranks: this process among others; None if it trains alone.
    """

    def __init__(self, inbox: Inbox, ranks: Ranks | None) -> None:
        self._inbox = inbox
        self._ranks = ranks
        self._reported: tuple[str, str] = ("", "")

    @property
    def is_shared(self) -> bool:
        """Whether other processes take part."""
        return self._ranks is not None

    @property
    def refusal(self) -> str:
        """Why commands can't be carried out; empty if they can."""
        if self._ranks is None or not self._ranks.problem:
            return ""
        return f"commands can't be carried out in all ranks: {self._ranks.problem}"

    def step_done(self, lrs: Sequence[Any]) -> None:
        """Tell the other ranks about a step that was just made."""
        if self._ranks is not None:
            on_device = any(isinstance(lr, torch.Tensor) and lr.device.type != "cpu" for lr in lrs)
            # reading them would wait for the device
            self._ranks.begin([] if on_device else [float(lr) for lr in lrs], has_command=len(self._inbox) > 0)

    def are_due(self) -> bool:
        """Return whether there are commands; called between two steps, in all ranks."""
        if self._ranks is None or self._ranks.problem:
            return len(self._inbox) > 0
        try:
            return self._ranks.finish()
        except RanksError:
            return len(self._inbox) > 0

    def take(self) -> Command | None:
        """Return the next command, the same in all ranks; None if there is none now."""
        own = self._inbox.take()
        if self._ranks is None or self._ranks.problem or (own is not None and not _is_shared(own)):
            return own
        try:
            text = self._ranks.broadcast(None if own is None else own.text)
        except RanksError:
            return own
        return own or (None if text is None else parse_command(text))

    def share_results(self, results: dict[str, float]) -> dict[str, float]:
        """Return rank 0's results of a test in all ranks, whose schedules must follow the same ones."""
        if self._ranks is None or self._ranks.problem:
            return results
        try:
            shared: dict[str, float] = json.loads(self._ranks.share_results(json.dumps(results)))
        except RanksError:
            return results
        return shared

    def wait(self) -> None:
        """Wait for the next command in a pause, for a limited time where other ranks wait, too."""
        if self._ranks is None or self._ranks.rank == 0:
            self._inbox.wait(None if self._ranks is None else PAUSE_SECONDS)

    def reports(self) -> list[tuple[str, str]]:
        """Return what has become of the ranks since the last call, as codes and sentences."""
        if self._ranks is None:
            return []
        found = (self.refusal, self._ranks.difference)
        new = [
            (code, text)
            for code, text, reported in zip(("ranks", "rank-lrs"), found, self._reported, strict=True)
            if text and text != reported
        ]
        self._reported = found
        return new

    def leave(self) -> None:
        """Let the other ranks go on without this one."""
        ranks, self._ranks = self._ranks, None
        if ranks is not None:
            ranks.leave()


def _is_shared(command: Command) -> bool:
    """Return whether other ranks can read the command; one that they can't is refused by every attached run."""
    try:
        parse_command(command.text)
    except NotationError:
        return False
    return True
