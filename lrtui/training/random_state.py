"""Random states, set aside so that looking at a model never changes how it is trained."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed torch on all devices, numpy's legacy generator and Python's `random`."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def draw_seed() -> int:
    """Return a seed for a generator of its own, drawn from torch's global one as torch's RandomSampler draws it."""
    return int(torch.empty((), dtype=torch.int64).random_())


@contextmanager
def random_state_set_aside(device: torch.device, generators: Sequence[torch.Generator] = ()) -> Iterator[None]:
    """Give back, on leaving, the state that every global random generator had on entering.

    Args:
        device: whose generator counts, too.
        generators: others that may be drawn from meanwhile, such as a data loader's own.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    own_states = [generator.get_state() for generator in generators]
    devices = [device] if device.type == "cuda" else []
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for generator, state in zip(generators, own_states, strict=True):
            generator.set_state(state)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)
