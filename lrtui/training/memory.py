"""Memory that is kept for the next step, and given back after the last."""

from __future__ import annotations

import ctypes
import sys

import torch

# from glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_THRESHOLD = 1 << 30


def keep_freed_memory() -> bool:
    """Make the C library keep what is freed, and return whether it does.

    A training step frees and takes the same tens of megabytes again and again. glibc gives blocks of that size back
    to the system each time, and the system hands them out page by page: a tenth of a step of the case study on a CPU.
    Elsewhere than on glibc nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_THRESHOLD) and mallopt(_M_TRIM_THRESHOLD, _LARGEST_THRESHOLD))


def give_back_device_memory(device: torch.device) -> None:
    """Give what PyTorch keeps of a GPU's memory, and nothing refers to, back to the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
