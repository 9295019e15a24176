"""What a script has given to `lrtui.attach`: its optimizers and schedulers, and the length of the run."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from lrtui.attached.framework import FrameworkLoop
from lrtui.run.arguments import describe_argument
from lrtui.run.errors import UsageError
from lrtui.run.spec import MAX_EPOCHS, RunSpec
from lrtui.schedules.combined_optimizer import CombinedOptimizer
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.optimizer_build import parts_of
from lrtui.schedules.schedule import PER_OPTIMIZER, Schedule
from lrtui.schedules.scheduler_reading import schedule_of_script
from lrtui.store.location import store_folder
from lrtui.training.group_settings import group_settings, settings_before_schedulers
from lrtui.training.lr_control import LrControl
from lrtui.training.lr_scale import LrScale
from lrtui.training.task_optimizer import described

Unit = Literal["batch", "epoch"]

UNKNOWN_STEPS = 10**9
"""Optimizer steps per epoch that stand for an unknown number."""


@dataclass(frozen=True)
class Attachment:
    """What a script has given to `lrtui.attach`.

    Args:
        optimizer: several are combined.
        schedulers: of all optimizers, those of the first one first.
        epochs: None if unknown.
        steps_per_epoch: optimizer steps per epoch; None if unknown.
        batches_per_step: batches per optimizer step.
        name: of the run.
        store: folder of the store, as in the settings.
        loop: the training loop of a framework; None if the script has its own.
    """

    optimizer: torch.optim.Optimizer
    schedulers: list[Any]
    epochs: int | None
    steps_per_epoch: int | None
    batches_per_step: int
    name: str | None
    store: str | None
    loop: FrameworkLoop | None = None

    @property
    def sets_lr_itself(self) -> bool:
        """Whether the script has no scheduler, so that it may write the lr to the groups itself."""
        return not self.schedulers

    @property
    def total_steps(self) -> int | None:
        """Optimizer steps of the whole run; None if unknown."""
        if self.epochs is None or self.steps_per_epoch is None:
            return None
        return self.horizon.total_steps

    @property
    def horizon(self) -> Horizon:
        """The length of the run; what is unknown is long."""
        limit = None if self.loop is None else self.loop.max_steps
        return Horizon(self.epochs or MAX_EPOCHS, self.steps_per_epoch or UNKNOWN_STEPS, max_steps=limit)

    @property
    def folder(self) -> Path | None:
        """The folder of the store; None if nothing is recorded."""
        return store_folder(self.store)

    @property
    def spec(self) -> RunSpec:
        """The settings of the run, as far as they are known before its first step."""
        return self.spec_with(None)

    def spec_with(self, unit: Unit | None) -> RunSpec:
        """Return the settings of the run.

        Args:
            unit: after what the script steps its schedulers.
        """
        return RunSpec(
            task=f"script:{script_name()}",
            schedule=str(self.schedule(unit)),
            # as it was before the schedulers were created, for previews
            optimizer=str(described(self.optimizer, self.configured)),
            epochs=self.epochs or 1,
            max_steps=self.horizon.max_steps,
            accumulate=self.batches_per_step,
            name=self.name,
            store=self.store,
        )

    @property
    def configured(self) -> list[dict[str, Any]]:
        """The settings of the parameter groups before the schedulers were created, and of groups that came later."""
        added = group_settings(self.optimizer)[len(self._configured) :]
        return [*self._configured, *added]

    @cached_property
    def _configured(self) -> list[dict[str, Any]]:
        """The settings when the run was attached, before the script or a command changed the lr."""
        return settings_before_schedulers(self.optimizer, self.schedulers)

    def schedule(self, unit: Unit | None) -> Schedule:
        """Return the notation of the script's schedulers; what can't be written is named.

        Args:
            unit: after what the script steps its schedulers.
        """
        return self._schedules[unit]

    @cached_property
    def _schedules(self) -> dict[Unit | None, Schedule]:
        """The notation by the unit of the steps, read when the schedulers were given, before commands change the lr."""
        return {unit: self._read(unit) for unit in (None, *get_args(Unit))}

    def _read(self, unit: Unit | None) -> Schedule:
        optimizers = getattr(self.optimizer, "optimizers", None)
        is_regular = self.loop is None or self.loop.is_regular
        if optimizers is None:
            return schedule_of_script(self.schedulers, unit, is_regular=is_regular)
        owned = {
            name: [each for each in self.schedulers if _unwrapped(getattr(each, "optimizer", optimizer)) is optimizer]
            for name, optimizer in optimizers.items()
        }
        each = {name: schedule_of_script(own, unit, is_regular=is_regular) for name, own in owned.items()}
        return parse_schedule(f"{PER_OPTIMIZER}({', '.join(f'{name}={own}' for name, own in each.items())})")

    def lr_control(self) -> LrControl:
        """Return the control of the lr around the script's schedulers."""
        return LrControl(
            self.optimizer,
            self.schedule(None),
            self.horizon,
            scheduler=self.schedulers,
            configured=self.configured,
            lr_scale=LrScale(self.optimizer, within_steps=self.sets_lr_itself),
        )


def describe_run(attachment: Attachment, unit: Unit | None) -> dict[str, Any]:
    """Return the fields of the event that starts the run.

    Args:
        unit: after what the script steps its schedulers.
    """
    optimizer = attachment.optimizer
    groups = optimizer.param_groups
    return {
        "spec": attachment.spec_with(unit),
        "settings_known": False,
        "device": next((str(parameter.device) for group in groups for parameter in group["params"]), ""),
        "torch_threads": torch.get_num_threads(),
        "data": {},
        "parameter_count": sum(parameter.numel() for group in groups for parameter in group["params"]),
        "batches_per_epoch": attachment.steps_per_epoch or 1,
        "total_steps": attachment.total_steps,
        "group_names": tuple(described(optimizer).group_names),
        "group_lrs": tuple(settings["lr"] for settings in attachment.configured),
    }


def script_name() -> str:
    """Return the name of the script's file; `notebook` in a notebook, and `-c` for code from the command line."""
    if "IPython" in sys.modules and getattr(sys.modules["IPython"], "get_ipython", lambda: None)() is not None:
        return "notebook"
    main = sys.modules.get("__main__")
    path = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "")
    return Path(path).name or "-c"


def read_optimizers(optimizer: Any) -> torch.optim.Optimizer:
    """Return the optimizer, or several by name as one; wrappers are taken off.

    Raises:
        UsageError: for something else.
    """
    if isinstance(optimizer, Mapping):
        if not optimizer:
            raise UsageError("lrtui.attach(): the dict of optimizers is empty")
        if not all(isinstance(name, str) and name.isidentifier() for name in optimizer):
            raise UsageError("lrtui.attach(): the names of the optimizers must be identifiers, such as generator")
        found = {name: _unwrapped(each) for name, each in optimizer.items()}
        if len({id(each) for each in found.values()}) < len(found):
            raise UsageError("lrtui.attach(): the same optimizer is given under two names")
        return CombinedOptimizer(found)
    return _unwrapped(optimizer)


def _unwrapped(optimizer: Any) -> torch.optim.Optimizer:
    found = optimizer
    # accelerate's wrapper is an Optimizer, too, but without hooks of its own
    while not hasattr(found, "_optimizer_step_pre_hooks") and hasattr(found, "optimizer"):
        found = found.optimizer
    if not isinstance(found, torch.optim.Optimizer):
        raise UsageError(
            "lrtui.attach(): optimizer must be a torch.optim.Optimizer, or a dict of several by name, not "
            f"{_described(optimizer)}"
        )
    if not all("lr" in group for group in found.param_groups):
        raise UsageError(f"lrtui.attach(): {type(found).__name__} has a parameter group without an lr")
    return found


def read_schedulers(scheduler: Any, optimizer: torch.optim.Optimizer) -> list[Any]:
    """Return the schedulers, those of the first optimizer first; wrappers are taken off.

    Args:
        scheduler: one, several, None, or these by the names of the optimizers.

    Raises:
        UsageError: for something else, or for a scheduler of another optimizer.
    """
    if isinstance(scheduler, Mapping):
        names = list(getattr(optimizer, "optimizers", ()))
        if names and (unknown := [name for name in scheduler if name not in names]):
            raise UsageError(
                f"lrtui.attach(): there is no optimizer {unknown[0]!r:.60} for its scheduler; there are "
                f"{', '.join(names)}"
            )
    given = list(scheduler.values()) if isinstance(scheduler, Mapping) else [scheduler]
    flat = [part for each in given for part in (each if isinstance(each, Sequence) else [each])]
    found: list[Any] = []
    for each in flat:
        if each is None:
            continue
        inner = each
        while not isinstance(inner, torch.optim.lr_scheduler.LRScheduler) and hasattr(inner, "scheduler"):
            inner = inner.scheduler
        if not callable(getattr(inner, "step", None)) or isinstance(inner, torch.optim.Optimizer):
            raise UsageError(
                "lrtui.attach(): scheduler must be a scheduler, a list of them, None, or a dict of these by the names "
                f"of the optimizers, not {_described(each)}"
            )
        owner = getattr(inner, "optimizer", None)
        if owner is not None and _unwrapped(owner) not in parts_of(optimizer):
            raise UsageError(f"lrtui.attach(): the {type(inner).__name__} is that of another optimizer")
        if any(inner is before for before in found):
            raise UsageError(f"lrtui.attach(): the same {type(inner).__name__} is given twice")
        found.append(inner)
    return found


def _described(value: object) -> str:
    """Return what was given in place of something else, in one line."""
    text = describe_argument(value)
    return text if "\n" not in text else f"a {type(value).__name__}"
