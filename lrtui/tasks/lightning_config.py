"""What `configure_optimizers` of a LightningModule returns, in any of its forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from lrtui.run.errors import TaskError, UsageError, describe_shape


@dataclass(frozen=True, slots=True)
class Configuration:
    """Optimizers and their schedulers.

    Args:
        optimizers: one, or several for manual optimization.
        schedulers: as returned: each a scheduler, or a dict of a scheduler and how it is stepped.
        monitor: the logged value that a ReduceLROnPlateau follows, if it is named beside the scheduler.
    """

    optimizers: tuple[torch.optim.Optimizer, ...]
    schedulers: tuple[Any, ...] = ()
    monitor: str | None = None

    def scheduler(self, name: str) -> SteppedScheduler | None:
        """Return the scheduler; None if there is none.

        Args:
            name: the module's name, for messages.

        Raises:
            UsageError: if it is stepped every few steps or epochs.
        """
        if not self.schedulers:
            return None
        (given,) = self.schedulers[:1]
        options = given if isinstance(given, Mapping) else {"scheduler": given}
        if options.get("frequency", 1) != 1:
            raise UsageError(
                f"configure_optimizers of {name} has a scheduler with frequency={options['frequency']}; expected 1, or "
                "a scheduler that counts steps itself"
            )
        per: Literal["batch", "epoch"] = "batch" if options.get("interval", "epoch") == "step" else "epoch"
        return SteppedScheduler(options.get("scheduler"), per, options.get("monitor", self.monitor))


@dataclass(frozen=True, slots=True)
class SteppedScheduler:
    """A scheduler and how it is stepped.

    Args:
        scheduler: PyTorch's object.
        per: after what its `step()` is called.
        monitor: the logged value that a ReduceLROnPlateau follows.
    """

    scheduler: Any
    per: Literal["batch", "epoch"]
    monitor: str | None


def read_configuration(found: Any, name: str) -> Configuration:
    """Return the optimizers and schedulers.

    Args:
        found: an optimizer, a list of them, a pair of lists of optimizers and of schedulers, or one dict or several
            with the keys `optimizer` and `lr_scheduler`.
        name: the module's name, for messages.

    Raises:
        TaskError: for something else.
    """
    optimizers: list[Any]
    schedulers: list[Any] = []
    monitor = None
    if isinstance(found, (list, tuple)) and len(found) == 2 and isinstance(found[0], (list, tuple)):
        optimizers = list(found[0])
        schedulers = list(found[1]) if isinstance(found[1], (list, tuple)) else [found[1]]
    else:
        each = list(found) if isinstance(found, (list, tuple)) else [found]
        if all(isinstance(item, Mapping) for item in each):
            schedulers = [item["lr_scheduler"] for item in each if item.get("lr_scheduler") is not None]
            monitor = next((item["monitor"] for item in each if "monitor" in item), None)
            each = [item.get("optimizer") for item in each]
        optimizers = each
    if not optimizers or not all(isinstance(item, torch.optim.Optimizer) for item in optimizers):
        raise TaskError(
            f"configure_optimizers of {name} returned a {describe_shape(found)}; expected an optimizer, with or "
            "without a scheduler"
        )
    return Configuration(tuple(optimizers), tuple(schedulers), monitor)
