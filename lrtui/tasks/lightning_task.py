"""A task made of a LightningModule and its data, trained by lrtui's loop in place of Lightning's Trainer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch

from lrtui.run.errors import TaskError, UsageError, describe_exception, describe_shape, source_location
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.scheduler_recording import recorded_schedulers
from lrtui.tasks.lightning_config import read_configuration
from lrtui.tasks.lightning_hooks import IGNORED_HOOKS, call_hook, call_step, overrides, transferred
from lrtui.tasks.lightning_log import LoggedMetrics, LoggedValues, logging_to
from lrtui.tasks.lightning_manual import manual_methods
from lrtui.tasks.lightning_trainer import TrainerStandIn
from lrtui.tasks.task import Data, DataRequest, Say

TEST_STEPS = ("validation_step", "test_step")

LOSSES = ("val_loss", "valid_loss", "validation_loss", "test_loss", "val/loss", "test/loss", "loss")
"""Logged values that are the test loss if a test step returns none, in the order they are looked for."""


def from_lightning(
    module: Any | Callable[[], Any], datamodule: Any = None, val_loader: Any = None, **options: Any
) -> LightningTask:
    """Return a task that trains a LightningModule, of `lightning` or `pytorch_lightning`.

    ```
    task = lrtui.tasks.from_lightning(module, datamodule)
    run = Run(RunSpec(epochs=10), task).start()
    ```

    `training_step` gives the loss and `configure_optimizers` the optimizer; its scheduler is the schedule of the run
    unless the settings name another one. Manual optimization is supported, with schedules that lrtui steps.
    `validation_step` (or `test_step`, or else `training_step`) is the test, and what it logs are the metrics.
    `self.trainer` has the length of the run, the epoch and the step; the Trainer's callbacks, loggers and plugins take
    no part.

    Args:
        module: the module, which is never changed: each run trains a copy of it; or a function (such as its class) that
            returns a new one, so that its weights depend on the run's seed.
        datamodule: a LightningDataModule, or a DataLoader of training data; None if the module has the loaders.
        val_loader: a DataLoader of test data, if `datamodule` is a DataLoader.
        options: further attributes of a task, such as `best` and `mode`.

    Raises:
        TaskError: if the module has no `training_step` or `configure_optimizers`.
    """
    return LightningTask(module, datamodule, val_loader, options)


class LightningTask:
    """The task that `from_lightning` returns; its arguments are documented there."""

    def __init__(self, module: Any, datamodule: Any, val_loader: Any, options: Mapping[str, Any]) -> None:
        # in a tuple, because a module that is an attribute of a task counts as one to train
        self._given = (module,)
        self._val_loader = val_loader
        # a DataLoader has no hooks
        self._data = datamodule if hasattr(datamodule, "train_dataloader") else None
        self._train_loader = None if self._data is not None else datamodule
        self._trainer = TrainerStandIn(self._data)
        self._batches_per_epoch = self._batches_of_test = self._schedulers = 0
        self._train_samples: int | None = None
        self.name = getattr(module, "__name__", type(module).__name__)
        self.test_metrics = LoggedMetrics()
        is_module = isinstance(module, torch.nn.Module)
        self._is_manual = is_module and not getattr(module, "automatic_optimization", True)
        # a third parameter makes it a task that steps its optimizers itself
        self.step: Any = self._manual_step if self._is_manual else self._automatic_step
        if is_module:
            _check(module)
        elif not callable(module):
            raise TaskError(f"from_lightning takes a LightningModule or a function, not a {describe_shape(module)}")
        for option, value in options.items():
            setattr(self, option, value)

    def prepare(self, request: DataRequest, say: Say) -> None:
        """Let the data module download its data; say which hooks of the module are not called."""
        self._train_samples = request.train_samples
        module = self._given[0] if isinstance(self._given[0], torch.nn.Module) else None
        for source in (self._data, module):
            call_hook(source, "prepare_data")
        if self._data is not None:
            call_hook(self._data, "setup", "fit")
        if ignored := [hook for hook in IGNORED_HOOKS if module is not None and overrides(module, hook)]:
            say(f"hooks of {self.name} that lrtui does not call: {', '.join(ignored)}")

    def training_data(self) -> Data:
        """Return the training loader of the data module, or of the module."""
        loader = self._train_loader if self._train_loader is not None else self._loader("train_dataloader")
        self._batches_per_epoch = _length(loader, self._train_samples)
        return loader

    def test_data(self) -> Data:
        """Return the validation loader, or the test loader; None without one, or without a step that tests."""
        if self._is_manual and not any(overrides(self._given[0], each) for each in TEST_STEPS):
            return None  # its training step would train on the test data
        if self._val_loader is not None:
            return self._val_loader
        found = self._loader("val_dataloader")
        return found if found is not None else self._loader("test_dataloader")

    def schedule(self, horizon: Horizon) -> str:
        """Return the notation of the scheduler of `configure_optimizers`; a constant lr if it has none.

        Args:
            horizon: the length of the run, which the module may ask its trainer for.

        Raises:
            UsageError: if it can't be written as text, such as a LambdaLR of a Python function.
        """
        self._trainer.max_epochs = horizon.epochs
        self._trainer.num_training_batches = self._batches_per_epoch or horizon.batches_per_epoch
        self._trainer.estimated_stepping_batches = horizon.total_steps
        with recorded_schedulers() as records:
            configuration = read_configuration(self._configured(self.model()), self.name)
            try:
                stepped = configuration.scheduler(self.name)
                if stepped is None:
                    # as in Lightning, and not the default of the settings
                    return "ConstantLR(factor=1.0)"
                if self._is_manual:
                    raise UsageError(
                        f"a {type(stepped.scheduler).__name__} of manual optimization is stepped by the module, but "
                        "lrtui steps all schedules"
                    )
                schedule = records.schedule(stepped.scheduler, stepped.per, stepped.monitor)
            except UsageError as error:
                raise UsageError(
                    f"configure_optimizers of {self.name}: {error}; name a schedule for the run instead"
                ) from None
        return str(schedule)

    def model(self) -> Any:
        """Return a copy of the module, or what the function returns, after `setup` and `configure_model`."""
        try:
            (given,) = self._given
            module = copy.deepcopy(given) if isinstance(given, torch.nn.Module) else given()
        except Exception as error:  # copying a user's module can raise anything
            raise TaskError(
                f"{self.name} can't be created or copied, which each run needs: {describe_exception(error)}"
            ) from error
        _check(module)
        if not getattr(module, "automatic_optimization", True) and not self._is_manual:
            raise TaskError(f"{self.name} returns a module that optimizes manually: pass the module, not a function")
        module._trainer = self._trainer
        call_hook(module, "setup", "fit")
        call_hook(module, "configure_model")
        self._trainer.start()
        self.test_metrics.reset()
        return module

    def optimizer(self, model: Any) -> Any:
        """Return the optimizer of `configure_optimizers`, as it is without a scheduler.

        Several, for manual optimization, are named `optimizer0`, `optimizer1` and so on.
        """
        with recorded_schedulers() as records:
            configuration = read_configuration(self._configured(model), self.name)
            optimizers, self._schedulers = configuration.optimizers, len(configuration.schedulers)
            for optimizer in optimizers:
                records.without_schedulers(optimizer)
        if len(optimizers) > 1 and not self._is_manual:
            raise TaskError(
                f"configure_optimizers of {self.name} returned {len(optimizers)} optimizers, which need manual "
                "optimization (self.automatic_optimization = False)"
            )
        self._trainer.optimizers = list(optimizers)
        return {f"optimizer{n}": each for n, each in enumerate(optimizers)} if len(optimizers) > 1 else optimizers[0]

    def _automatic_step(self, model: Any, batch: Any) -> Any:
        """Return the loss of `training_step`, and what it logs."""
        found, values = self._training_step(model, batch, {})
        loss = _loss_in(found)
        if loss is None:
            raise TaskError(
                f"training_step{source_location(type(model).training_step)} of {self.name} returned a "
                f"{describe_shape(found)}; expected the loss, or a dict with the key loss"
            )
        return loss, values.numbers()

    def _manual_step(self, model: Any, batch: Any, optimizers: Mapping[str, torch.optim.Optimizer]) -> Any:
        """Let `training_step` step the optimizers; return its loss, or the first that it logs, and what it logs."""
        found, values = self._training_step(model, batch, manual_methods(optimizers, self._schedulers))
        loss = _loss_in(found)
        if loss is None:
            loss = next((value for name, value in values.tensors.items() if "loss" in name), None)
        if loss is None:
            raise TaskError(
                f"training_step{source_location(type(model).training_step)} of {self.name} has no loss: return one, or "
                "log one with loss in its name"
            )
        return torch.as_tensor(loss, dtype=None if isinstance(loss, torch.Tensor) else torch.float32), values.numbers()

    def _training_step(self, model: Any, batch: Any, methods: Mapping[str, Any]) -> tuple[Any, LoggedValues]:
        self._batches_of_test = 0
        values = LoggedValues()
        with logging_to(model, values, methods):
            if self._trainer.next_batch():
                call_hook(model, "on_train_epoch_start")
            found = call_step(model, "training_step", transferred(model, batch), self._trainer.batch)
        return found, values

    def test_step(self, model: Any, batch: Any) -> Any:
        """Return the loss of `validation_step`, returned or logged, and what it logs."""
        name = next((each for each in TEST_STEPS if overrides(model, each)), "training_step")
        values = LoggedValues()
        batch = transferred(model, batch)
        with logging_to(model, values):
            if not self._batches_of_test:
                call_hook(model, "on_validation_epoch_start")
            found = call_step(model, name, batch, self._batches_of_test)
        self._batches_of_test += 1
        values.end_batch(batch, model)
        loss = _loss_in(found)
        if loss is None:
            loss = next((values.tensors[each] for each in LOSSES if each in values.tensors), None)
        if loss is None:
            raise TaskError(
                f"{name}{source_location(getattr(type(model), name))} of {self.name} has no loss: return it, or log it "
                f"as {LOSSES[0]}"
            )
        return loss, values

    def state_dict(self) -> dict[str, int]:
        """Return the number of batches that the module has been trained on."""
        return self._trainer.state_dict()

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Load what `state_dict` returned."""
        self._trainer.load_state_dict(state)

    def _loader(self, hook: str) -> Any:
        source = self._data if self._data is not None else self._given[0]
        if not overrides(source, hook):
            return None
        loader = getattr(source, hook)()
        if isinstance(loader, (list, tuple)) and len(loader) == 1:
            return loader[0]
        if isinstance(loader, (list, tuple, Mapping)):
            raise TaskError(
                f"{hook}{source_location(getattr(type(source), hook))} returned {len(loader)} loaders: one is needed"
            )
        return loader

    def _configured(self, module: Any) -> Any:
        try:
            return module.configure_optimizers()
        except TaskError:
            raise
        except Exception as error:  # a user's code can raise anything
            raise TaskError(f"configure_optimizers() fails: {describe_exception(error)}") from error


def _length(loader: Any, samples: int | None) -> int:
    """Return the batches of an epoch, of which a run may use only so many samples; 0 if they are unknown."""
    try:
        length = len(loader)
    except (TypeError, NotImplementedError):
        return 0
    size = getattr(loader, "batch_size", None)
    return length if samples is None or not size else min(length, -(-samples // size))


def _check(module: Any) -> None:
    for method in ("training_step", "configure_optimizers"):
        if not overrides(module, method):
            raise TaskError(f"{type(module).__name__} is no LightningModule with a {method}")


def _loss_in(found: Any) -> Any:
    loss = found.get("loss") if isinstance(found, Mapping) else found
    return loss if isinstance(loss, torch.Tensor) and loss.ndim == 0 else None
