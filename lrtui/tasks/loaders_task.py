"""A task made of what a training script has: a model, its data loaders and a loss."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lrtui.run.errors import TaskError, describe_exception, describe_shape
from lrtui.schedules.arguments import did_you_mean
from lrtui.tasks.loader_parts import generators_of
from lrtui.tasks.optimizer_copy import optimizer_for
from lrtui.tasks.task import Data

OPTIONS = (
    "step", "test_step", "step_metrics", "test_metrics", "best", "mode", "schedule", "name", "prepare", "data_set",
    "test_batch_size", "training_samples", "drop_last", "collate_fn", "test_collate_fn", "num_workers", "state_dict",
    "load_state_dict",
)  # fmt: skip
"""Methods and attributes that a task may have besides those that `from_loaders` has arguments for."""

OptimizerFor = Callable[[torch.nn.Module], torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer]]


def from_loaders(
    model: torch.nn.Module | Callable[[], torch.nn.Module],
    train_loader: Data,
    test_loader: Data = None,
    loss: Callable[..., Any] | None = None,
    *,
    metrics: Callable[..., Any] | None = None,
    optimizer: torch.optim.Optimizer | OptimizerFor | None = None,
    **options: Any,
) -> LoadersTask:
    """Return a task that trains a model on batches of a loader.

    ```
    task = lrtui.tasks.from_loaders(model, train_loader, test_loader, nn.CrossEntropyLoss())
    run = Run(RunSpec(schedule="OneCycleLR(max_lr=0.01)"), task).start()
    ```

    On the command line it is `--task FILE.py:task`.

    Args:
        model: the model, or a function (such as its class) that returns a new one. A model is never changed: each run
            trains a copy of it. In Python, only a function makes its weights depend on the run's seed.
        train_loader: a DataLoader, or training data in another of the forms that a task may return.
        test_loader: the same for the test; None for a run without tests.
        loss: a function or module that takes outputs and targets and returns the batch's mean loss; None if the model
            returns its loss.
        metrics: as the method `metrics(outputs, targets)` of a task.
        optimizer: a function of the model that returns its optimizer, or several by name; or an optimizer that has the
            parameters of `model`, of which each run gets a copy.
        options: further methods and attributes of a task, such as `step`, `test_step`, `step_metrics` or `name`.

    Raises:
        TaskError: if the model is neither a Module nor a function, the loss can't be called, an optimizer is given for
            a function, or an option is unknown.
    """
    return LoadersTask(model, train_loader, test_loader, loss, metrics, optimizer, options)


class LoadersTask:
    """The task that `from_loaders` returns; its arguments are documented there."""

    def __init__(
        self,
        model: torch.nn.Module | Callable[[], torch.nn.Module],
        train_loader: Data,
        test_loader: Data,
        loss: Callable[..., Any] | None,
        metrics: Callable[..., Any] | None,
        optimizer: torch.optim.Optimizer | OptimizerFor | None,
        options: Mapping[str, Any],
    ) -> None:
        if not callable(model):
            raise TaskError(
                f"from_loaders takes a torch.nn.Module or a function that returns one, not a {describe_shape(model)}"
            )
        if loss is not None and not callable(loss):
            raise TaskError(
                f"from_loaders takes a loss function or module, such as nn.CrossEntropyLoss(), not a "
                f"{describe_shape(loss)}"
            )
        if isinstance(optimizer, torch.optim.Optimizer) and not isinstance(model, torch.nn.Module):
            raise TaskError(
                "an optimizer has the parameters of one model, and from_loaders got a function that returns new "
                "models: pass a function optimizer(model) as well"
            )
        for option in options:
            if option not in OPTIONS:
                known = ("metrics", "optimizer", "loss", *OPTIONS)
                raise TaskError(f"from_loaders takes no {option[:40]!r}{did_you_mean(option, known)}")
        # in a tuple, because a module that is an attribute of a task counts as one to train
        self._given = (model, optimizer)
        self._loaders = (train_loader, test_loader)
        self._generators = [(each, each.get_state()) for loader in self._loaders for each in generators_of(loader)]
        # as attributes of the object, because a task without them must not have them as methods
        self.loss, self.metrics = loss, metrics
        self.optimizer = None if optimizer is None else self._make_optimizer
        name = getattr(model, "__name__", type(model).__name__)
        self.name = name if name.isidentifier() else "model"
        for option, value in options.items():
            setattr(self, option, value)

    def model(self) -> torch.nn.Module:
        """Return a copy of the model, or what the function returns."""
        model, _ = self._given
        if not isinstance(model, torch.nn.Module):
            return model()
        try:
            return copy.deepcopy(model)
        except Exception as error:  # copying a user's model can raise anything
            raise TaskError(
                f"{type(model).__name__} can't be copied, which each run needs: {describe_exception(error)}; "
                "pass a function that returns the model"
            ) from error

    def training_data(self) -> Data:
        """Return the training loader, with its generator in the state that it was passed with."""
        for generator, state in self._generators:
            generator.set_state(state)
        return self._loaders[0]

    def test_data(self) -> Data:
        """Return the test loader."""
        return self._loaders[1]

    def _make_optimizer(self, model: torch.nn.Module) -> Any:
        given, optimizer = self._given
        if isinstance(optimizer, torch.optim.Optimizer) and isinstance(given, torch.nn.Module):
            return optimizer_for(optimizer, given, model)
        return optimizer(model)  # type: ignore[misc, operator]  # a function, as __init__ has checked
