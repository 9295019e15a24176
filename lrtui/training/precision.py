"""The numbers that a model is computed in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def precision_context(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which the model is computed: autocast for bf16 and fp16, nothing for fp32."""
    if precision in _TYPES:
        return torch.autocast(device.type, dtype=_TYPES[precision])
    return nullcontext()


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Return what keeps gradients within fp16's range; for any other precision it passes everything through.

    A step whose gradients overflow is left out by the scaler, and the scheduler is stepped all the same: the lr of
    every step is then what its preview said.
    """
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
