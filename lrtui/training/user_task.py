"""A wrapper around the user's task: supplies optional methods and explains mistakes in the user's code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch

from lrtui.run.errors import LrtuiError, TaskError, describe_exception, describe_shape, source_location
from lrtui.tasks.task import Data, DataRequest, DataSource, Say, Task
from lrtui.training.batch_norm import FAILURE
from lrtui.training.metric_values import checked_metrics

LOSS = "loss(outputs, targets) must return the batch's mean loss, a 0-d tensor"
STEP_METRICS = "step_metrics(model) must return a mapping from names to numbers or 0-d tensors"
ONE_SAMPLE = (
    "BatchNorm can't be trained on one sample: leave out the last batch (drop_last=True), or use another batch size"
)
TAKEN_NAMES = ("loss", "lr")
"""Names that no step metric may have, since the panes of the loss and the lr have them."""
METRICS = "metrics(outputs, targets) must return a mapping from names to values: one per sample, or the batch's mean"


class UserTask:
    """The user's task; its errors are reported with the line in the user's code and with what was expected.

    Args:
        task: the user's object.
        notation: the text that named it, such as `FILE.py:Name`.
    """

    def __init__(self, task: Task, notation: str) -> None:
        self.task = task
        self.name = str(getattr(task, "name", "") or type(task).__name__)
        size = getattr(task, "test_batch_size", None)
        self.test_batch_size = size if isinstance(size, int) and size > 0 else None
        self._metrics = getattr(task, "metrics", None)
        self._step_metrics = getattr(task, "step_metrics", None)
        self._notation = notation

    def prepare(self, request: DataRequest, say: Say) -> DataSource:
        """Let the task find its data; return where it comes from."""
        prepare = getattr(self.task, "prepare", None)
        found = None
        if prepare is not None:
            with _explained("prepare(request, say) fails"):
                found = prepare(request, say)
        return found if isinstance(found, DataSource) else DataSource(self.name, "the task", self._notation)

    def data(self, which: str) -> tuple[Data, Any]:
        """Return what `training_data` or `test_data` returns, and that method."""
        method = getattr(self.task, which)
        with _explained(f"{which}() fails"):
            return method(), method

    def model(self) -> torch.nn.Module:
        """Return a fresh model."""
        with _explained("model() fails"):
            model = self.task.model()
        if not isinstance(model, torch.nn.Module):
            raise TaskError(
                f"model(){source_location(self.task.model)} returned a {describe_shape(model)}, "
                "expected a torch.nn.Module"
            )
        return model

    def outputs(self, model: torch.nn.Module, inputs: Any) -> Any:
        """Return the model's outputs for a batch's inputs."""
        try:
            return model(inputs)
        except Exception as error:  # a user's model can raise anything
            expected = ONE_SAMPLE if str(error).startswith(FAILURE) else ""
            raise _task_error(f"the model fails on inputs {describe_shape(inputs)}", error, expected) from error

    def loss(self, outputs: Any, targets: Any) -> torch.Tensor:
        """Return the batch's mean loss, 0-d."""
        try:
            loss = self.task.loss(outputs, targets)
        except Exception as error:  # a user's loss can raise anything
            given = f"outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
            raise _task_error(f"loss fails on {given}", error, LOSS) from error
        if not isinstance(loss, torch.Tensor) or loss.dim() != 0:
            raise TaskError(f"loss{source_location(self.task.loss)} returned a {describe_shape(loss)}; {LOSS}")
        return loss

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients of a loss."""
        try:
            loss.backward()  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if not loss.requires_grad:
                what = f"the loss{source_location(self.task.loss)} does not depend on any trained parameter"
                raise TaskError(f"{what}: loss or model is detached, or computed outside of torch") from error
            raise

    def metrics(self, outputs: Any, targets: Any) -> Mapping[str, torch.Tensor]:
        """Return the task's metrics for a batch of the test set; empty if it has none."""
        if self._metrics is None:
            return {}
        try:
            found = self._metrics(outputs, targets)
        except Exception as error:  # a user's metrics can raise anything
            given = f"outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
            raise _task_error(f"metrics fails on {given}", error, METRICS) from error
        return checked_metrics(found, self._metrics, METRICS)

    @property
    def has_step_metrics(self) -> bool:
        """Whether the task reports values at each step."""
        return self._step_metrics is not None

    def step_metrics(self, model: torch.nn.Module) -> Mapping[str, torch.Tensor | float]:
        """Return the values of a step, before the optimizer's step; tensors stay on the device, detached."""
        if self._step_metrics is None:
            return {}
        try:
            with torch.no_grad():
                found = self._step_metrics(model)
        except Exception as error:  # a user's code can raise anything
            raise _task_error("step_metrics fails", error, STEP_METRICS) from error
        if not isinstance(found, Mapping) or not all(map(_is_number, found.values())):
            raise TaskError(
                f"step_metrics{source_location(self._step_metrics)} returned a {describe_shape(found)}; {STEP_METRICS}"
            )
        if taken := [name for name in TAKEN_NAMES if name in found]:
            raise TaskError(
                f"step_metrics{source_location(self._step_metrics)} returns a value named {taken[0]}, the name of "
                "another pane: rename it"
            )
        # a clone, because the step that follows may change the tensor in place
        return {
            str(name): value.detach().clone() if isinstance(value, torch.Tensor) else float(value)
            for name, value in found.items()
        }


def _is_number(value: Any) -> bool:
    return value.dim() == 0 if isinstance(value, torch.Tensor) else isinstance(value, Real)


def _task_error(what: str, error: Exception, expected: str = "") -> LrtuiError:
    """Return the error to raise; a LrtuiError is returned unchanged."""
    if isinstance(error, LrtuiError):
        return error
    return TaskError(f"{what}: {describe_exception(error)}{f'; {expected}' if expected else ''}")


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a user's code can raise anything
        raise _task_error(what, error) from error
