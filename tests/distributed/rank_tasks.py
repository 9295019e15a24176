"""Tasks for runs of several processes, in some of which one of them fails."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
import torch.distributed as dist
from tiny_task import Tiny


class Meeting(Tiny):
    """The processes wait for each other at each step.

    Args:
        rank: number of the process.
    """

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.calls = 0

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and dist.is_initialized():
            self.calls += 1
            self.before_meeting()
            dist.all_reduce(torch.zeros(1))
        return super().loss(outputs, targets)

    def before_meeting(self) -> None:
        """Fail."""


class SlowMeeting(Meeting):
    """Takes a while for each step and each batch of a test."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        time.sleep(0.01 if torch.is_grad_enabled() else 0.5)
        return super().loss(outputs, targets)


class RaisesInOne(Meeting):
    """Rank 1 raises an exception at the tenth step."""

    def before_meeting(self) -> None:
        if self.rank == 1 and self.calls == 10:
            raise ValueError("the tenth step fails here")


class RaisesInFirst(Meeting):
    """Rank 0 raises an exception at the tenth step."""

    def before_meeting(self) -> None:
        if self.rank == 0 and self.calls == 10:
            raise ValueError("the tenth step fails here")


class RaisesInAll(Meeting):
    """All ranks raise the same exception."""

    def before_meeting(self) -> None:
        if self.calls == 10:
            raise ValueError("the tenth step fails everywhere")


class Exits(Meeting):
    """The process of rank 1 ends."""

    def before_meeting(self) -> None:
        if self.rank == 1 and self.calls == 10:
            os._exit(0)


class Hangs(Meeting):
    """Rank 1 hangs at the tenth step."""

    def before_meeting(self) -> None:
        if self.rank == 1 and self.calls == 10:
            time.sleep(600)


class WrongData(Meeting):
    """All ranks find the same mistake while the run is set up."""

    def training_data(self) -> Any:
        return "nothing"


class WrongDataInOne(Meeting):
    """Rank 1 finds a mistake while the run is set up."""

    def training_data(self) -> Any:
        if self.rank == 1:
            raise ValueError("no such file")
        return super().training_data()


class Diverges(Meeting):
    """The loss is not finite at the tenth step."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        loss = super().loss(outputs, targets)
        return loss * float("nan") if self.calls >= 10 else loss


class SlowData(Meeting):
    """Takes a while to load its data."""

    def training_data(self) -> Any:
        time.sleep(1)
        return super().training_data()
