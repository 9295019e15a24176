"""What a step computes: the loss, the outputs, and values with names, in any of the forms that a task may return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, TypeGuard

import torch

from lrtui.run.errors import TaskError, describe_shape, source_location

Values = Mapping[str, "torch.Tensor | float"]
"""Values by name: each a number, or a 0-d tensor on the device, detached."""

STEP = (
    "must return the batch's mean loss, a 0-d tensor, or a pair (loss, outputs) or (loss, {name: value}), where each "
    "value is a number or a 0-d tensor"
)
NUMBERS = "a mapping from names to numbers or 0-d tensors"
TAKEN_NAMES = ("loss", "lr")
"""Names that no value of a step may have, since the panes of the loss and the lr have them."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The result of the model and its loss on one batch.

    Args:
        loss: mean loss of the batch, 0-d.
        outputs: what metrics are computed from; None if there is nothing.
        targets: the batch's targets; None if there are none.
        values: further values of the batch.
    """

    loss: torch.Tensor
    outputs: Any = None
    targets: Any = None
    values: Values = field(default_factory=dict)


def read_result(found: Any, method: Any, call: str, targets: Any = None) -> StepResult:
    """Return what a task's `step`, `test_step` or `loss` returned.

    Args:
        method: that method, for messages.
        call: how it is called, such as `step(model, batch)`.

    Raises:
        TaskError: for anything else than the forms named in STEP.
    """
    loss, extra = found if isinstance(found, (tuple, list)) and len(found) == 2 else (found, None)
    if not is_loss(loss):
        raise TaskError(f"{_place(method, call)} returned a {_describe_loss(loss, found)}; {call} {STEP}")
    if isinstance(extra, Mapping) and extra and all(map(is_number, extra.values())):
        return StepResult(loss, None, targets, read_values(extra, method, call))
    return StepResult(loss, extra, targets)


def read_values(found: Any, method: Any, call: str) -> Values:
    """Return a mapping of values with its tensors detached.

    Raises:
        TaskError: if it is not a mapping from names to numbers, or has a name that is taken.
    """
    if not isinstance(found, Mapping) or not all(map(is_number, found.values())):
        raise TaskError(f"{_place(method, call)} returned a {describe_shape(found)}; {call} must return {NUMBERS}")
    if taken := [name for name in TAKEN_NAMES if name in found]:
        raise TaskError(f"{_place(method, call)} returns a value named {taken[0]}, the name of another pane: rename it")
    # a clone, because what follows may change the tensor in place
    return {
        str(name): value.detach().clone() if isinstance(value, torch.Tensor) else float(value)
        for name, value in found.items()
    }


def find_loss(outputs: Any) -> tuple[torch.Tensor, Any] | None:
    """Return the loss that a model has computed itself, and its other outputs; None if there is none.

    Understood are a 0-d tensor, outputs with `loss` as an attribute or key (transformers), and tuples with the loss at
    the end or the beginning.
    """
    if is_loss(outputs):
        return outputs, None
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if is_loss(loss):
        return loss, outputs
    if isinstance(outputs, (tuple, list)) and len(outputs) > 1:
        for position in (-1, 0):
            if is_loss(outputs[position]):
                others = outputs[:-1] if position else outputs[1:]
                return outputs[position], others[0] if len(others) == 1 else others
    return None


def is_loss(value: Any) -> TypeGuard[torch.Tensor]:
    """Return whether it is a 0-d tensor of real floating-point numbers."""
    return isinstance(value, torch.Tensor) and value.dim() == 0 and value.is_floating_point()


def is_number(value: Any) -> bool:
    """Return whether it is a real number or a 0-d tensor of one."""
    if isinstance(value, torch.Tensor):
        return value.dim() == 0 and not value.is_complex()
    return isinstance(value, Real)


def mean_values(values: list[Values], counts: list[int]) -> Values:
    """Return the mean of each value over several batches, weighted by their samples.

    A value that some batches lack is averaged over the others.
    """
    if len(values) == 1:
        return values[0]
    means: dict[str, torch.Tensor | float] = {}
    for name in dict.fromkeys(name for each in values for name in each):
        having = [(each[name], count) for each, count in zip(values, counts, strict=True) if name in each]
        means[name] = sum(value * count for value, count in having) / sum(count for _, count in having)
    return means


def _place(method: Any, call: str) -> str:
    return f"{call.partition('(')[0]}{source_location(method)}"


def _describe_loss(loss: Any, found: Any) -> str:
    if loss is found:
        return describe_shape(found)
    return f"pair whose first part is a {describe_shape(loss)}"
