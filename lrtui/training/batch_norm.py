"""The BatchNorm modules of a model: in several processes, and on batches of one sample, on which they fail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lrtui.distributed.process_group import ProcessGroup
from lrtui.run.errors import UsageError
from lrtui.text.format import counted
from lrtui.training.batches import Batches, sample_count

FAILURE = "Expected more than 1 value per channel"
"""The start of the message with which PyTorch fails in training."""


@contextmanager
def values_per_sample(model: torch.nn.Module) -> Iterator[dict[str, int]]:
    """Yield a mapping from the name of each BatchNorm to its values per channel and sample.

    Forward passes in the block fill it. A BatchNorm that does not compute statistics in training is left out; the model
    must be in training mode when the block is entered.
    """
    found: dict[str, int] = {}
    samples = 1

    def note_samples(inputs: Any, named_inputs: Any) -> None:
        nonlocal samples
        samples = sample_count((inputs[0], ())) if inputs else sample_count(named_inputs)

    def note_values(name: str, inputs: Any) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].dim() > 1:
            found[name] = inputs[0].numel() // (max(1, inputs[0].shape[1]) * max(1, samples))

    hooks = [model.register_forward_pre_hook(lambda _, inputs, named: note_samples(inputs, named), with_kwargs=True)]
    hooks += [
        module.register_forward_pre_hook(lambda _, inputs, name=name: note_values(name, inputs))
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.training
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def share_batch_norm(model: torch.nn.Module, device: torch.device) -> None:
    """Let PyTorch's BatchNorm modules use PyTorch's functions for the statistics of a batch that processes share.

    These are for CUDA; elsewhere, and for BatchNorm of other classes, `whole_batch` does the same more slowly. Each
    module gets a class with the same state.
    """
    for module in model.modules() if device.type == "cuda" else ():
        if type(module) in (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d):
            module.__class__ = torch.nn.SyncBatchNorm
            # None stands for all processes
            setattr(module, "process_group", None)  # noqa: B010 - no attribute of a Module


def uses_batch_statistics(model: torch.nn.Module) -> bool:
    """Return whether a BatchNorm of the model, in its present mode, normalizes by the batch that it gets."""
    modules = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return any(module.training or module.running_mean is None for module in modules)


def batch_norm_warnings(model: torch.nn.Module, group: ProcessGroup) -> Iterator[str]:
    """Yield the warning of statistics that are not those of the whole batch: of classes that compute their own."""
    for kind in dict.fromkeys(type(module) for module in model.modules() if isinstance(module, _BatchNorm)):
        forward: Any = kind.forward
        calls = getattr(getattr(forward, "__code__", None), "co_names", ())
        is_pytorchs = kind.__module__.startswith("torch.")
        if group.world_size > 1 and not is_pytorchs and not {"batch_norm", "super"}.intersection(calls):
            yield (
                f"{kind.__name__} has a forward of its own, without torch.nn.functional.batch_norm: each process "
                "normalizes by its own share of a batch, so that the results are those of a run with smaller batches"
            )


def check_smallest_batch(train: Batches, values: Mapping[str, int], most_batches: int | None = None) -> None:
    """Check that no training batch gives a BatchNorm a single value per channel.

    Args:
        train: the training data.
        values: what `values_per_sample` yields.
        most_batches: batches of the whole run; None if each epoch has all of them.

    Raises:
        UsageError: names the batch, the module, and what to change.
    """
    name = next((name for name, count in values.items() if count == 1), None)
    number = train.first_of_one_sample() if name is not None else None
    if number is None or (most_batches is not None and number >= most_batches):
        return
    where = train.made_by
    remedies = [f"drop_last=True or another batch size in {where}" if where else "another --batch-size"]
    if train.batch_size == 1:
        which = "every training batch"
    elif number == len(train) - 1:
        which = f"the last of the {counted(len(train), 'training batch')}"
        if not where and train.samples is not None:
            whole = train.samples - (train.samples % train.batch_size if train.batch_size else 1)
            remedies = ["drop_last = True in the task", *remedies, f"--train-samples {whole}"]
    else:
        which = f"training batch {number:,}"
    raise UsageError(
        f"{which} has one sample: the BatchNorm {name!r} would get one value per channel and can't compute a variance; "
        f"use {', '.join(remedies[:-1])}{' or ' if len(remedies) > 1 else ''}{remedies[-1]}"
    )
