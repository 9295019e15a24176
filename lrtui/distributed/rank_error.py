"""The error of a run that a rank has failed in, and what PyTorch raises in the other ranks because of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch
import torch.distributed as dist

from lrtui.run.errors import LrtuiError

GRACE_SECONDS = 2.0
"""Seconds that ranks have to leave a run that has failed, and to say why, before they are considered lost."""


class RankError(LrtuiError):
    """A run can't go on because a process that trains it has failed; the message says which and why."""


def is_lost_contact(error: BaseException) -> bool:
    """Return whether an exception, or one that it was raised from, is that of a collective operation that failed."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, dist.DistError):
            return True
        if isinstance(cause, RuntimeError) and any(name in str(cause) for name in ("/gloo/", "NCCL")):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def abort_nccl() -> None:
    """End the operations on GPUs that wait for a rank that has ended; those on the CPU end with its connections."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return
    with suppress(Exception):
        backend: Any = dist.distributed_c10d._get_default_group()._get_backend(torch.device("cuda"))
        backend.abort()
