"""What a data loader consists of: its samplers, its data set and their random generators."""

from __future__ import annotations

from typing import Any

import torch


def parts_of(loader: Any) -> tuple[Any, ...]:
    """Return a loader and what it is made of: samplers and data set."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (loader, getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None))
    return tuple(part for part in (*parts, getattr(loader, "dataset", None)) if part is not None)


def generators_of(loader: Any) -> tuple[torch.Generator, ...]:
    """Return the generators of a loader and of its parts, each once."""
    found = (getattr(part, "generator", None) for part in parts_of(loader))
    return tuple({id(each): each for each in found if isinstance(each, torch.Generator)}.values())
