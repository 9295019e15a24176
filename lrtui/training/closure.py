"""The function that an optimizer calls to compute the loss and the gradients again, as LBFGS does several times."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Literal

import torch

from lrtui.run.errors import LrtuiError, TaskError, UsageError, describe_exception


def closure_use(optimizer: torch.optim.Optimizer) -> Literal["needed", "taken", "none"]:
    """Return whether the optimizer's `step()` needs a closure, or may call one.

    The optimizers of PyTorch that take one call it once, before the step, where the gradients are known already.
    """
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is None:
        return "none"
    if closure.default is closure.empty:
        return "needed"
    return "none" if type(optimizer).__module__.startswith("torch.optim.") else "taken"


def check_closure(optimizers: Iterable[torch.optim.Optimizer], precision: str) -> None:
    """Check that the optimizers can be stepped in this precision.

    Raises:
        UsageError: for one that needs a closure in fp16, whose gradients are scaled.
    """
    found = next((each for each in optimizers if closure_use(each) == "needed"), None)
    if precision == "fp16" and found is not None:
        raise UsageError(
            f"{type(found).__name__} computes the loss several times per step, which the gradient scaling of fp16 "
            "does not allow: use --precision bf16 or fp32"
        )


class Closure:
    """Returns the loss with its gradients; the first time those that are known, unless the weights have changed.

    Args:
        optimizer: the one that calls it.
        loss: the loss whose gradients have been computed.
        compute: computes the gradients again and returns the loss.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, loss: torch.Tensor, compute: Callable[[], torch.Tensor]
    ) -> None:
        self._optimizer, self._compute = optimizer, compute
        self._loss: torch.Tensor | None = loss
        self._version = self._weights_version()

    def __call__(self) -> torch.Tensor:
        """Return the loss, 0-d."""
        known, self._loss = self._loss, None
        if known is not None and self._version == self._weights_version():
            return known
        with torch.enable_grad():
            return self._compute()

    def _weights_version(self) -> int:
        return sum(parameter._version for group in self._optimizer.param_groups for parameter in group["params"])


def explained_step_error(error: Exception, optimizer: torch.optim.Optimizer) -> Exception:
    """Return the error to raise for one of an optimizer's `step()`: plainer if it is known."""
    if isinstance(error, LrtuiError):
        return error
    name = type(optimizer).__name__
    if "sparse" in str(error).lower():
        return TaskError(
            f"{name} can't use the sparse gradients of this model: {describe_exception(error)}; leave out sparse=True "
            "of the embedding, or use another optimizer or setting"
        )
    if type(optimizer).__module__.startswith("torch."):
        return error
    return TaskError(f"the step of {name} fails: {describe_exception(error)}")
