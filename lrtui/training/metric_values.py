"""The values of a task's metrics: checked, and as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import torch

from lrtui.run.errors import TaskError, describe_shape, source_location
from lrtui.run.evaluations import LOSS

EXPECTED = "a number, or a tensor or NumPy array of numbers or bools"


def checked_metrics(found: Any, method: Any, expected: str) -> dict[str, torch.Tensor]:
    """Return what a method of the task returned, with each value as a detached tensor.

    Args:
        found: what it returned.
        method: the method.
        expected: what it must return, for messages.

    Raises:
        TaskError: names the method, the metric and what was expected.
    """
    values = named_tensors(found, method, method.__name__, "metric", EXPECTED, expected)
    if LOSS in values:
        where = f"{method.__name__}{source_location(method)}"
        raise TaskError(f"{where} returned a metric named loss; that name is reserved for the test loss")
    return values


def named_tensors(
    found: Any,
    method: Any,
    method_name: str,
    kind: str,
    expected_value: str,
    expected: str,
    *,
    are_scalars: bool = False,
) -> dict[str, torch.Tensor]:
    """Return the values of a mapping as detached tensors.

    Args:
        found: what a method returned.
        method: the method, for messages.
        method_name: its name in messages.
        kind: what a value is, for messages.
        expected_value: what a value must be, for messages.
        expected: what the method must return, for messages.
        are_scalars: whether each value must be a single number, not an array.

    Raises:
        TaskError: if it is no mapping, or for a value that is something else.
    """

    def mistake(text: str) -> TaskError:
        # reads the method's file, which takes too long for every batch
        return TaskError(f"{method_name}{source_location(method)} returned {text}; {expected}")

    if not isinstance(found, Mapping):
        raise mistake(f"a {describe_shape(found)}")
    values: dict[str, torch.Tensor] = {}
    for name, value in found.items():
        tensor = metric_tensor(value)
        if tensor is None or (are_scalars and tensor.dim()):
            raise mistake(f"a {describe_shape(value)} as the {kind} {str(name)!r}, expected {expected_value}")
        if str(name) in values:
            raise mistake(f"two values named {str(name)!r}")
        values[str(name)] = tensor
    return values


def holds_numbers(tensor: torch.Tensor) -> bool:
    """Return whether a tensor consists of real numbers that can be read and computed with."""
    is_plain = tensor.layout == torch.strided and not tensor.is_nested and not tensor.is_quantized
    return is_plain and not tensor.is_complex() and not tensor.is_meta and not hasattr(tensor, "get_mask")


def metric_tensor(value: Any) -> torch.Tensor | None:
    """Return a metric's value as a detached tensor, a number as a 0-d one; None if it is no value of a metric."""
    if isinstance(value, torch.Tensor):
        return value.detach() if holds_numbers(value) else None
    if isinstance(value, np.ma.MaskedArray):
        value = value.compressed()
    if isinstance(value, (np.ndarray, np.generic)):
        # torch has no counterpart of some of NumPy's types
        return torch.from_numpy(np.array(value, dtype=np.float64)) if value.dtype.kind in "biuf" else None
    if not isinstance(value, Real):
        return None
    try:
        return torch.tensor(float(value), dtype=torch.float64)
    except (OverflowError, TypeError, ValueError):
        return None
