"""The device that a run computes on, the precision it computes in, and the memory it keeps between steps."""

from __future__ import annotations

import ctypes
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from lrtui.run.errors import DeviceError

_AUTOCAST_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

# from glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 1 << 30


def present_devices() -> list[str]:
    """Return the available kinds of device, the fastest first; `cpu` is always the last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the fastest available one.

    Raises:
        DeviceError: for a device that isn't available; names those that are.
    """
    present = present_devices()
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise DeviceError(f"--device {name}: PyTorch finds no such device; available: {', '.join(present)}")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device's name, a GPU's with its model: `cuda (NVIDIA H100)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type


def precision_context(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which the model is computed: autocast for bf16 and fp16, nothing for fp32."""
    if precision in _AUTOCAST_TYPES:
        return torch.autocast(device.type, dtype=_AUTOCAST_TYPES[precision])
    return nullcontext()


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Return the scaler that keeps gradients within fp16's range; in any other precision it does nothing.

    The scaler skips a step whose gradients overflow. The scheduler is stepped all the same, so that every step uses
    the lr that the preview showed.
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


def keep_freed_memory() -> bool:
    """Make the C library reuse freed memory instead of returning it to the system; return whether it does.

    A training step frees and allocates the same tens of megabytes again and again. glibc returns blocks of that size
    to the system each time, and the system hands them out page by page, which costs a tenth of a step of the case
    study on a CPU. Without glibc this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _LARGEST_THRESHOLD))


def release_device_memory(device: torch.device) -> None:
    """Free the GPU memory that PyTorch caches but does not use."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
