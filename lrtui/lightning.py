"""A callback for the Trainer of Lightning: `Trainer(..., callbacks=[LrtuiCallback()])`."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lrtui.attached.attach import check_arguments
from lrtui.attached.framework import FrameworkLoop
from lrtui.attached.framework_run import FrameworkRun, never_fails
from lrtui.run.errors import UsageError

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""The packages that have Lightning, each with classes of its own."""


def _callback_class() -> Any:
    """Return a class that the trainers of all packages that are in use accept as a callback."""
    loaded = [name for name in _PACKAGES if name in sys.modules]
    bases = []
    for name in loaded or _PACKAGES:
        with suppress(ImportError):
            bases.append(import_module(name).Callback)
        if bases and not loaded:
            break
    if not bases:
        raise ImportError("lrtui.lightning needs the package lightning, or pytorch_lightning: pip install lightning")
    return bases[0] if len(bases) == 1 else type("Callback", tuple(bases), {})


if TYPE_CHECKING:
    from lightning.pytorch import Callback
else:
    Callback = _callback_class()

__all__ = ["LrtuiCallback"]

_OF_MONITOR = "lr-"
"""How the names of LearningRateMonitor begin; the lrs are recorded as the optimizer has used them."""

_PREFIXES = ("val_", "val/", "valid_", "valid/", "validation_", "validation/")
"""How the names of a validation's results begin."""


class LrtuiCallback(Callback):
    """Shows the training of a Trainer in the cockpit, and lets its lr be controlled from there; see `lrtui.attach`.

    The loss that `training_step` returns, and what it logs for the step, are recorded for each optimizer step; with
    gradient accumulation the means of its batches. The results of a validation lose the prefix `val_`. The commands
    `stop`, `evaluate` and `checkpoint` are carried out by the Trainer at the end of the batch. For other callbacks,
    such as EarlyStopping, a validation that a command asks for is one like all others.

    Args:
        name: a name for the run.
        store: folder of the store; None for `LRTUI_STORE` or `.lrtui` here, "none" to record nothing.
        evaluate: runs a test for the command `evaluate` in place of the Trainer's own validation, and returns its
            results by name.
        checkpoint: saves a checkpoint for the command `checkpoint` in place of the Trainer's own, and may return its
            path.
        optimizer_names: names of several optimizers, in the order of `configure_optimizers`.
        batches_per_step: with manual optimization, the batches per step of the first optimizer.

    Raises:
        UsageError: for an argument of the wrong kind.
    """

    def __init__(
        self,
        *,
        name: str | None = None,
        store: str | os.PathLike[str] | None = None,
        evaluate: Callable[[], Any] | None = None,
        checkpoint: Callable[[], Any] | None = None,
        optimizer_names: Sequence[str] | None = None,
        batches_per_step: int = 1,
    ) -> None:
        check_arguments(batches_per_step=batches_per_step)
        self._attached = FrameworkRun(name=name, store=store, evaluate=evaluate, checkpoint=checkpoint)
        self._attached.why_no_evaluation = self._why_no_evaluation
        self._attached.lengthen = self._lengthen
        self._names, self._manual_batches = optimizer_names, batches_per_step
        self._trainer: Any = None
        self._steps_per_epoch: int | None = None
        self._steps = 0
        """Optimizer steps whose values were logged."""
        self._batches: dict[str, list[Any]] = {}
        """Values of the batches since then, by name."""
        self._has_monitor = False
        self._seen: dict[str, Any] = {}
        """The metrics of the trainer as they were last seen; those that were logged since are others."""
        self._validation_settings: dict[str, Any] = {}
        """Settings of the trainer to restore when the validation that a command asks for has begun."""

    # -- the run ------------------------------------------------------------------------------------------------------

    @never_fails
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run."""
        self._trainer, self._batches, self._seen, self._validation_settings = trainer, {}, {}, {}
        self._has_monitor = any(type(each).__name__ == "LearningRateMonitor" for each in trainer.callbacks)
        is_manual = not pl_module.automatic_optimization
        batches_per_step = self._manual_batches if is_manual else trainer.accumulate_grad_batches
        optimizers, configs = list(trainer.optimizers), list(trainer.lr_scheduler_configs)
        named = self._named(optimizers)
        schedulers = {
            name: [
                config.scheduler
                for config in configs
                if getattr(config.scheduler, "optimizer", optimizers[0]) is optimizer
            ]
            for name, optimizer in named.items()
        }
        # the Trainer counts the steps of all optimizers
        share = len(optimizers) if is_manual else 1
        limit = None if trainer.max_steps == -1 else max(1, trainer.max_steps // share)
        batches = trainer.num_training_batches
        # data without a length: all steps are one epoch
        self._steps_per_epoch = limit if math.isinf(batches) else max(1, math.ceil(batches / batches_per_step))
        has_epochs = trainer.max_epochs is not None and trainer.max_epochs > 0 and not math.isinf(batches)
        epochs = trainer.max_epochs if has_epochs else None
        if epochs is None and limit is not None and self._steps_per_epoch is not None:
            epochs = math.ceil(limit / self._steps_per_epoch)
        self._steps = (trainer.fit_loop.total_batch_idx + 1) // batches_per_step if is_manual else trainer.global_step
        unit: Literal["batch", "epoch"] | None = None
        if configs and not is_manual:
            unit = "batch" if configs[0].interval == "step" else "epoch"
        self._attached.attach(
            optimizers[0] if len(optimizers) == 1 else named,
            schedulers,
            FrameworkLoop(
                self._attached,
                start_step=self._steps,
                max_steps=limit,
                unit=unit,
                is_regular=is_manual or all(config.frequency == 1 for config in configs),
            ),
            epochs=epochs,
            steps_per_epoch=self._steps_per_epoch,
            batches_per_step=batches_per_step,
        )

    def _named(self, optimizers: list[Any]) -> dict[str, Any]:
        """Return the optimizers by names."""
        if self._names is not None:
            if len(self._names) != len(optimizers):
                raise UsageError(f"LrtuiCallback(): optimizer_names has {len(self._names)} names for {len(optimizers)}")
            return dict(zip(self._names, optimizers, strict=True))
        named: dict[str, Any] = {}
        for optimizer in optimizers:
            name = type(optimizer).__name__.lower()
            number = sum(each.rpartition("_")[0] == name or each == name for each in named)
            named[f"{name}_{number}" if number else name] = optimizer
        return named

    @never_fails
    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """End the run, after the last checkpoint."""
        self._attached.finish()
        self._trainer = None

    @never_fails
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """End the run with the error."""
        self._attached.fail(exception)
        self._trainer = None

    # -- steps --------------------------------------------------------------------------------------------------------

    @never_fails
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Note what was logged for the whole epoch before, which no step has."""
        if self._attached.run is not None:
            self._newly_logged(trainer)

    @never_fails
    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Log the values of a step that was made, and let the Trainer do what commands want."""
        self._restore_validation_settings()
        if self._attached.run is None:
            return
        for name, value in self._values_of_batch(trainer, pl_module, outputs).items():
            self._batches.setdefault(name, []).append(value)
        if self._steps != self._attached.steps:
            self._steps = self._attached.steps
            batches, self._batches = self._batches, {}
            self._attached.log({name: _mean(values) for name, values in batches.items()})
        if self._attached.evaluation_wanted:
            self._ask_for_validation(trainer)
        if self._attached.checkpoint_wanted:
            self._attached.checkpoint_saved(self._save_checkpoint(trainer))
        if self._attached.is_stopped:
            # a stop by hand is not held up by min_epochs and min_steps
            trainer.fit_loop.min_epochs, trainer.fit_loop.epoch_loop.min_steps = 0, None
            trainer.should_stop = True

    def _values_of_batch(self, trainer: Any, pl_module: Any, outputs: Any) -> dict[str, Any]:
        """Return the loss of a batch, and what `training_step` has logged."""
        values = self._newly_logged(trainer)
        for name in [name for name in values if name.endswith("_step")]:
            # what is logged for the step and for the epoch has two names
            if values.get(name.removesuffix("_step")) is not None:
                del values[name]
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None and getattr(loss, "numel", lambda: 1)() == 1:
            # Lightning divides it by the number of batches that are accumulated
            divided = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            values["loss"] = loss if divided == 1 else loss * divided
        return values

    def _newly_logged(self, trainer: Any) -> dict[str, Any]:
        """Return the metrics that were logged since the last call, with one element each."""
        found = {}
        for name, value in trainer.callback_metrics.items():
            before = self._seen.get(name)
            # a metric that was not logged again has the same memory, which the old tensor keeps
            if before is None or before.data_ptr() != value.data_ptr():
                self._seen[name] = value
                if value.numel() == 1 and not (self._has_monitor and name.startswith(_OF_MONITOR)):
                    found[name] = value
        return found

    # -- validations and checkpoints ----------------------------------------------------------------------------------

    @never_fails
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Note what was logged before."""
        self._restore_validation_settings()
        if self._attached.run is not None:
            self._newly_logged(trainer)

    @never_fails
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Log the results of a validation, but of the one that is made before the training."""
        if self._attached.run is not None and not trainer.sanity_checking:
            self._attached.evaluation_done(_results(self._newly_logged(trainer)))
            self._attached.end_evaluation()

    def _why_no_evaluation(self) -> str:
        if self._trainer.enable_validation:
            return ""
        return "the Trainer has no validation: it needs val_dataloaders, and a validation_step of the module"

    def _ask_for_validation(self, trainer: Any) -> None:
        """Let the Trainer validate after this batch."""
        loop = trainer.fit_loop
        self._attached.begin_evaluation(is_due=loop.epoch_loop._should_check_val_fx(loop._data_fetcher))
        wanted: dict[str, Any] = {"val_check_batch": 1}
        if trainer.check_val_every_n_epoch is not None:
            wanted["check_val_every_n_epoch"] = 1
        if getattr(trainer, "_val_check_time_interval", None) is not None:
            wanted["_val_check_time_interval"] = None
        self._validation_settings = {name: getattr(trainer, name) for name in wanted}
        for name, value in wanted.items():
            setattr(trainer, name, value)

    def _restore_validation_settings(self) -> None:
        settings, self._validation_settings = self._validation_settings, {}
        for name, value in settings.items():
            setattr(self._trainer, name, value)

    def _save_checkpoint(self, trainer: Any) -> str:
        saver = trainer.checkpoint_callback
        folder = getattr(saver, "dirpath", None) or Path(trainer.default_root_dir) / "checkpoints"
        path = Path(folder) / f"lrtui-step={trainer.global_step}.ckpt"
        trainer.save_checkpoint(path)
        return str(path)

    # -- the length of the training -----------------------------------------------------------------------------------

    def _lengthen(self, epochs: int) -> None:
        loop = self._trainer.fit_loop
        has_epochs = loop.max_epochs is not None and loop.max_epochs > 0
        if not has_epochs and loop.max_steps == -1:
            raise UsageError("the training has no end: the Trainer has neither max_epochs nor max_steps")
        if self._steps_per_epoch is None:
            raise UsageError("the data has no length, so that the length of an epoch is unknown")
        if has_epochs:
            loop.max_epochs += epochs
        if loop.max_steps != -1:
            is_manual = not self._trainer.lightning_module.automatic_optimization
            share = len(self._trainer.optimizers) if is_manual else 1
            loop.epoch_loop.max_steps += epochs * self._steps_per_epoch * share


def _mean(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else sum(values) / len(values)


def _results(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a validation by the names that tests have: loss, accuracy, and others."""
    results: dict[str, Any] = {}
    for name, value in metrics.items():
        short = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
        if short == "acc" and "accuracy" not in results and 0 <= float(value) <= 1:
            short = "accuracy"
        if short == name or short not in metrics:
            results[short] = value
    return results
