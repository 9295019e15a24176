"""What a step computes: the loss, the outputs, and values with names, in any of the forms that a task may return."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch

from lrtui.run.errors import TaskError, describe_shape, source_location
from lrtui.training.metric_values import holds_numbers, metric_tensor, named_tensors

Values = Mapping[str, "torch.Tensor | float"]
"""Values by name: each a number, or a 0-d tensor on the device, detached."""

STEP = (
    "must return the batch's mean loss, a 0-d tensor, or a pair (loss, outputs) or (loss, {name: value}), where each "
    "value is a number or a 0-d tensor"
)
NUMBERS = "a mapping from names to numbers or 0-d tensors"
OUTPUTS = "or outputs for metrics(outputs, targets), which the task does not have"
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


def read_result(found: Any, method: Any, call: str, targets: Any = None, *, uses_outputs: bool = True) -> StepResult:
    """Return what a task's `step`, `test_step` or `loss` returned.

    Args:
        method: that method, for messages.
        call: how it is called, such as `step(model, batch)`.
        uses_outputs: whether the task computes metrics from outputs; otherwise a dict is taken as named values.

    Raises:
        TaskError: for anything else than the forms named in STEP.
    """
    loss, extra = found if isinstance(found, (tuple, list)) and len(found) == 2 else (found, None)
    if not is_loss(loss):
        raise TaskError(f"{_place(method, call)} returned a {_describe_loss(loss, found)}; {call} {STEP}")
    if isinstance(extra, Mapping) and extra and all(map(is_number, extra.values())):
        return StepResult(loss, None, targets, read_values(extra, method, call))
    if type(extra) is dict and not uses_outputs and "loss" not in extra:
        read_values(extra, method, call, or_else=f", {OUTPUTS}")
    return StepResult(loss, extra, targets)


def read_values(found: Any, method: Any, call: str, *, or_else: str = "") -> Values:
    """Return a mapping of values with its tensors detached.

    Args:
        or_else: what a value could also be, for messages.

    Raises:
        TaskError: if it is not a mapping from names to numbers, or has a name that is taken.
    """
    a_value, expected = f"a number or a 0-d tensor{or_else}", f"{call} must return {NUMBERS}"
    values = named_tensors(found, method, _name(call), "value", a_value, expected, are_scalars=True)
    if taken := [name for name in TAKEN_NAMES if name in values]:
        raise TaskError(f"{_place(method, call)} returns a value named {taken[0]}, the name of another pane: rename it")
    # a clone, because what follows may change the tensor in place
    return {
        name: value.clone() if isinstance(found.get(name), torch.Tensor) else float(value)
        for name, value in values.items()
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
    is_scalar = isinstance(value, torch.Tensor) and value.dim() == 0
    return is_scalar and value.is_floating_point() and holds_numbers(value)


def is_number(value: Any) -> bool:
    """Return whether it is a real number or a 0-d tensor of one."""
    tensor = metric_tensor(value)
    return tensor is not None and not tensor.dim()


def mean_values(values: list[Values], counts: list[int]) -> Values:
    """Return the mean of each value over several batches, weighted by their samples.

    A value that some batches lack is averaged over the others.
    """
    if len(values) == 1:
        return values[0]
    means: dict[str, torch.Tensor | float] = {}
    for name in dict.fromkeys(name for each in values for name in each):
        having = [(_wide(each[name]), count) for each, count in zip(values, counts, strict=True) if name in each]
        # batches without samples: the mean of nothing
        total = sum(count for _, count in having) or math.nan
        means[name] = sum(value * (count / total) for value, count in having)
    return means


def _wide(value: torch.Tensor | float) -> torch.Tensor | float:
    """Return a value in a type that sums of it fit into; mps has no float64."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.to(torch.float32 if value.device.type == "mps" else torch.float64)


def _place(method: Any, call: str) -> str:
    return f"{_name(call)}{source_location(method)}"


def _name(call: str) -> str:
    return call.partition("(")[0]


def _describe_loss(loss: Any, found: Any) -> str:
    if loss is found:
        return describe_shape(found)
    return f"pair whose first part is a {describe_shape(loss)}"
