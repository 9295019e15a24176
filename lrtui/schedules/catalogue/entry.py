"""What is known of a scheduler before PyTorch is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lrtui.schedules.parameter import Parameter

Per = Literal["batch", "epoch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEntry:
    """One scheduler, declared once.

    Args:
        name: PyTorch's class name.
        summary: what it does to the lr, one line.
        unit: what its `step()` is called after, unless `per=` says otherwise.
        parameters: its arguments, in PyTorch's order, the optimizer left out.
        fills: arguments that follow from the run's length when left out, and what they are filled with.
        notes: what users trip over.
        example: a notation to start from.
        composite: whether it is made of other schedulers.
        module: where the class is.
        absolute: whether its lrs are its own arguments, whatever the optimizer's lr is.
        averages: whether weights are averaged while it is in force.
    """

    name: str
    summary: str
    unit: Per
    parameters: tuple[Parameter, ...]
    fills: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    example: str
    composite: bool = False
    module: str = "torch.optim.lr_scheduler"
    absolute: bool = False
    averages: bool = False

    @property
    def url(self) -> str:
        """PyTorch's page on it."""
        if self.module.endswith("swa_utils"):
            return "https://docs.pytorch.org/docs/stable/generated/torch.optim.swa_utils.SWALR.html"
        return f"https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.{self.name}.html"

    def parameter(self, name: str) -> Parameter | None:
        """Return the argument of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)
