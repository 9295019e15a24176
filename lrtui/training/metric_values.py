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
    where = f"{method.__name__}{source_location(method)}"
    if not isinstance(found, Mapping):
        raise TaskError(f"{where} returned a {describe_shape(found)}; {expected}")
    values: dict[str, torch.Tensor] = {}
    for name, value in found.items():
        tensor = metric_tensor(value)
        if tensor is None:
            raise TaskError(
                f"{where} returned a {describe_shape(value)} as the metric {str(name)!r}, expected {EXPECTED}; "
                f"{expected}"
            )
        values[str(name)] = tensor
    if LOSS in values:
        raise TaskError(f"{where} returned a metric named loss; that name is reserved for the test loss")
    return values


def metric_tensor(value: Any) -> torch.Tensor | None:
    """Return a metric's value as a detached tensor, a number as a 0-d one; None if it is no value of a metric."""
    if isinstance(value, torch.Tensor):
        return None if value.is_complex() or value.layout != torch.strided else value.detach()
    if isinstance(value, (np.ndarray, np.generic)):
        # torch has no counterpart of some of NumPy's types
        return torch.from_numpy(np.array(value, dtype=np.float64)) if value.dtype.kind in "biuf" else None
    if not isinstance(value, Real):
        return None
    try:
        return torch.tensor(float(value), dtype=torch.float64)
    except OverflowError:
        return None
