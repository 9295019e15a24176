"""What `configure_optimizers` of a LightningModule returns, in any of its forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from lrtui.run.errors import TaskError, UsageError, describe_shape


@dataclass(frozen=True, slots=True)
class Configuration:
    """An optimizer and its scheduler.

    Args:
        optimizer: the only one.
        scheduler: None if there is none.
        per: after what the scheduler's `step()` is called.
        monitor: the logged value that a ReduceLROnPlateau follows.
    """

    optimizer: torch.optim.Optimizer
    scheduler: Any = None
    per: Literal["batch", "epoch"] = "epoch"
    monitor: str | None = None


def read_configuration(found: Any, name: str) -> Configuration:
    """Return the optimizer and the scheduler.

    Args:
        found: an optimizer, lists of optimizers and of schedulers, or a dict with the keys `optimizer` and
            `lr_scheduler`.
        name: the module's name, for messages.

    Raises:
        TaskError: for something else, or several optimizers.
        UsageError: for a scheduler that is stepped every few steps or epochs.
    """
    schedulers: list[Any] = []
    monitor = None
    optimizers = found
    if isinstance(found, (list, tuple)) and len(found) == 2 and isinstance(found[0], (list, tuple)):
        optimizers, schedulers = found[0], list(found[1]) if isinstance(found[1], (list, tuple)) else [found[1]]
    if isinstance(found, (list, tuple)) and len(found) == 1:
        optimizers = found[0]
    if isinstance(optimizers, Mapping):
        monitor, schedulers = optimizers.get("monitor"), [optimizers.get("lr_scheduler")]
        optimizers = optimizers.get("optimizer")
    if isinstance(optimizers, (list, tuple)) and len(optimizers) == 1:
        optimizers = optimizers[0]
    if not isinstance(optimizers, torch.optim.Optimizer):
        raise TaskError(
            f"configure_optimizers of {name} returned a {describe_shape(found)}; expected one optimizer, with or "
            "without a scheduler"
        )
    scheduler = next(iter(schedulers), None)
    options = scheduler if isinstance(scheduler, Mapping) else {"scheduler": scheduler}
    if options.get("frequency", 1) != 1:
        raise UsageError(
            f"configure_optimizers of {name} has a scheduler with frequency={options['frequency']}; expected 1, or a "
            "scheduler that counts steps itself"
        )
    per: Literal["batch", "epoch"] = "batch" if options.get("interval", "epoch") == "step" else "epoch"
    return Configuration(optimizers, options.get("scheduler"), per, options.get("monitor", monitor))
