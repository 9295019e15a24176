"""Schedulers that users' classes and functions make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError
from lrtui.schedules.schedule import Schedule

if TYPE_CHECKING:
    import torch


class CountedScheduler:
    """Steps a scheduler of timm, whose methods take the number of epochs or optimizer steps.

    Args:
        scheduler: one of timm's, or of a class with its interface.
    """

    def __init__(self, scheduler: Any) -> None:
        self.optimizer = scheduler.optimizer
        self.last_epoch = 0
        self._scheduler = scheduler

    def step(self) -> None:
        """Count one more, and set the lr."""
        self.last_epoch += 1
        if self._scheduler.t_in_epochs:
            self._scheduler.step(self.last_epoch)
        else:
            self._scheduler.step_update(self.last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return the count, and the state of the scheduler."""
        return {"last_epoch": self.last_epoch, "scheduler": self._scheduler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned."""
        self.last_epoch = state["last_epoch"]
        self._scheduler.load_state_dict(state["scheduler"])


def checked_scheduler(made: Any, schedule: Schedule, optimizer: torch.optim.Optimizer) -> Any:
    """Return what a user's class or function made, with a `step()` without arguments.

    Raises:
        NotationError: for anything but a scheduler of this optimizer that can be stepped so.
    """
    from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

    who, text = f"{schedule.user_path}:{schedule.name}", str(schedule)
    inside = getattr(made, "lr_scheduler", None)
    if isinstance(made, ReduceLROnPlateau) or isinstance(inside, ReduceLROnPlateau):
        message = f"{who} is a ReduceLROnPlateau, whose metric is not known here; write ReduceLROnPlateau(...) instead"
        raise NotationError(message, text, 0)
    is_counted = callable(getattr(made, "step_update", None)) and hasattr(made, "t_in_epochs")
    if not isinstance(made, LRScheduler) and not is_counted:
        what = "None" if made is None else f"a {type(made).__name__}"
        raise NotationError(f"{who} returns {what}, not a scheduler of PyTorch (LRScheduler) or timm", text, 0)
    if getattr(made, "optimizer", optimizer) is not optimizer:
        raise NotationError(f"{who} returns a scheduler of another optimizer than the one it is given", text, 0)
    if not is_counted:
        return made
    unit = "epoch" if made.t_in_epochs else "batch"
    if unit != schedule.per:
        message = f'{who} with t_in_epochs={made.t_in_epochs} counts per {unit}: add per="{unit}"'
        raise NotationError(message, text, 0)
    return CountedScheduler(made)
