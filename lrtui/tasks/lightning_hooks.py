"""The hooks of a LightningModule or a LightningDataModule."""

from __future__ import annotations

import inspect
from typing import Any

IGNORED_HOOKS = (
    "on_train_start",
    "on_train_end",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_save_checkpoint",
    "on_load_checkpoint",
    "optimizer_step",
    "optimizer_zero_grad",
    "lr_scheduler_step",
    "configure_gradient_clipping",
    "transfer_batch_to_device",
)
"""Hooks that Lightning's Trainer calls and lrtui does not; a module that has some is told so."""


def overrides(source: Any, method: str) -> bool:
    """Return whether a class has its own method, and not only that of Lightning."""
    found = inspect.getattr_static(type(source), method, None)
    return found is not None and not str(getattr(found, "__module__", "")).startswith(
        ("lightning.", "pytorch_lightning.")
    )


def call_hook(source: Any, hook: str, *arguments: Any) -> None:
    if source is not None and overrides(source, hook):
        getattr(source, hook)(*arguments)


def call_step(model: Any, name: str, batch: Any, index: int) -> Any:
    """Call a step with the batch and its number, if it takes the number."""
    method = getattr(model, name)
    parameters = inspect.signature(method).parameters.values()
    takes_index = len(parameters) > 1 or any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return method(batch, index) if takes_index else method(batch)


def transferred(model: Any, batch: Any) -> Any:
    """Return the batch after the hook that augments it on the device."""
    return model.on_after_batch_transfer(batch, 0) if overrides(model, "on_after_batch_transfer") else batch
