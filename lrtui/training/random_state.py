"""Random states: restored after a test so that it never changes training, saved in checkpoints, and kept apart from
those of the code that started the run.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lrtui.distributed.process_group import ProcessGroup

RandomStates = dict[str, Any]
"""The states of all random generators, as tensors and plain values."""


def seed_everything(seed: int) -> None:
    """Seed torch on all devices, numpy's legacy generator and Python's `random`."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


def draw_seed() -> int:
    """Return a seed drawn from torch's global generator, as torch's RandomSampler draws it."""
    return int(torch.empty((), dtype=torch.int64).random_())


@contextmanager
def random_state_restored(device: torch.device, generators: Sequence[torch.Generator] = ()) -> Iterator[None]:
    """Restore the state of every global random generator on exit.

    Args:
        device: whose generator is restored, too.
        generators: others to restore, such as a data loader's.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    generator_states = [generator.get_state() for generator in generators]
    devices = [device] if device.type == "cuda" else []
    mps_state = torch.mps.get_rng_state() if device.type == "mps" else None
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        for generator, state in zip(generators, generator_states, strict=True):
            generator.set_state(state)
        if mps_state is not None:
            torch.mps.set_rng_state(mps_state)


def random_states(generators: Sequence[torch.Generator] = ()) -> RandomStates:
    """Return the states of torch on all devices in use, of numpy's legacy generator, of `random`, and of `generators`.

    Args:
        generators: others, such as a data loader's.
    """
    return {
        "torch": torch.get_rng_state(),
        # asking an unused GPU for its state would initialize it
        "cuda": torch.cuda.get_rng_state_all() if _uses_cuda() else [],
        "mps": [torch.mps.get_rng_state()] if torch.backends.mps.is_available() else [],
        "numpy": _convert_arrays(np.random.get_state(legacy=False), np.ndarray, torch.from_numpy),
        "python": random.getstate(),
        "generators": [generator.get_state() for generator in generators],
    }


def set_random_states(states: RandomStates, generators: Sequence[torch.Generator] = ()) -> None:
    """Restore what `random_states` returned; missing devices are skipped.

    Args:
        generators: the same as then, in the same order.

    Raises:
        ValueError: for another number of generators.
    """
    torch.set_rng_state(states["torch"])
    for index, state in enumerate(states["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(state, index)
    if states["mps"] and torch.backends.mps.is_available():
        torch.mps.set_rng_state(states["mps"][0])
    np.random.set_state(_convert_arrays(states["numpy"], torch.Tensor, torch.Tensor.numpy))
    random.setstate(states["python"])
    for generator, state in zip(generators, states["generators"], strict=True):
        # the shape of a generator's state depends on the device
        if generator.get_state().shape == state.shape:
            generator.set_state(state)


def share_random_states(group: ProcessGroup, generators: Sequence[torch.Generator] = ()) -> None:
    """Give all processes the random states of rank 0, that of its GPU included.

    Args:
        generators: others, such as a data loader's.
    """
    if group.world_size == 1:
        return
    current = torch.cuda.current_device() if _uses_cuda() else 0
    states = random_states(generators)
    of_gpu = states["cuda"][current : current + 1]
    of_first, of_first_gpu = group.broadcast(({**states, "cuda": []}, of_gpu))
    set_random_states(of_first, generators)
    for state in of_first_gpu:
        torch.cuda.set_rng_state(state, current)


_callers: list[RandomStates] = []
"""The states of the code that started the computation in progress, as they were when it last had them."""


@contextmanager
def own_random_states() -> Iterator[None]:
    """Let a computation use the global generators within the block; afterwards they continue where they were before.

    The generators exist once per process: what other threads draw within the block comes from the same sequence, except
    within `caller_random_states`.
    """
    _callers.append(random_states())
    try:
        yield
    finally:
        _restore_callers()
        _callers.pop()


@contextmanager
def caller_random_states() -> Iterator[None]:
    """Give the global generators back to the caller within the block, in which the computation waits; takes 0.5 ms."""
    if not _callers:
        yield
        return
    own = random_states()
    _restore_callers()
    try:
        yield
    finally:
        _callers[-1] = random_states()
        set_random_states(own)


def _restore_callers() -> None:
    states = _callers[-1]
    set_random_states(states)
    if not states["cuda"] and torch.cuda.is_available():
        # the computation may have initialized CUDA, whose generators start with the CPU generator's seed
        torch.cuda.manual_seed_all(torch.initial_seed())


def _uses_cuda() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _convert_arrays(value: Any, kind: type, convert: Any) -> Any:
    """Return nested dicts with every value of that type converted."""
    if isinstance(value, dict):
        return {key: _convert_arrays(item, kind, convert) for key, item in value.items()}
    return convert(value) if isinstance(value, kind) else value
