"""A model's buffers that its `state_dict()` leaves out: a model may well compute with them."""

from __future__ import annotations

from collections.abc import Mapping

import torch


def unsaved_buffers(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the buffers that were registered with persistent=False, by name."""
    saved = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved}


def restore_buffers(model: torch.nn.Module, buffers: Mapping[str, torch.Tensor]) -> None:
    """Put them back; one that has grown since the model was made, as a cache does, replaces the model's own.

    Raises:
        AttributeError: where the model has no such buffer.
    """
    present = dict(model.named_buffers())
    for name, value in buffers.items():
        own = present.get(name)
        if own is not None and own.shape == value.shape and own.dtype == value.dtype:
            own.copy_(value)
        else:
            module, _, last = name.rpartition(".")
            holder = model.get_submodule(module)
            device = own.device if own is not None else next(model.parameters()).device
            setattr(holder, last, value.to(device))
