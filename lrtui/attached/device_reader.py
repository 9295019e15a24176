"""Reads numbers that are on an accelerator without making the script wait for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Protocol

import torch

READ_SECONDS = 0.25
"""Seconds between two copies to the host."""


class HasTensors(Protocol):
    """Something with numbers on an accelerator."""

    def device_tensors(self) -> list[torch.Tensor]:
        """Return its tensors that are on an accelerator, each with one element."""
        ...

    def replace_device_tensors(self, numbers: list[float]) -> None:
        """Put the numbers in their place."""
        ...


class DeviceReader:
    """Copies the tensors of many records to the host together.

    On CUDA the copy is asynchronous: its numbers are taken in a later call, when it has arrived. Elsewhere the device
    is waited for, four times a second.
    """

    def __init__(self) -> None:
        self._copied_at = 0.0
        self._records: Sequence[HasTensors] = ()
        self._counts: list[int] = []
        self._host: torch.Tensor | None = None
        self._arrived: Any = None

    def waits_for(self, record: HasTensors) -> bool:
        """Return whether the record has tensors that are not read yet."""
        return bool(record.device_tensors())

    def read(self, records: Sequence[HasTensors], *, wait: bool = False) -> None:
        """Read the tensors of these records, in this call or a later one.

        Args:
            records: all that are not handed over yet.
            wait: whether to wait for all numbers.
        """
        if self._host is not None and (wait or self._arrived is None or self._arrived.query()):
            self._take()
        if self._host is not None or not (wait or time.perf_counter() - self._copied_at > READ_SECONDS):
            return
        waiting = [record for record in records if record.device_tensors()]
        cuda: Any = torch.cuda
        # a copy can't be captured into a CUDA graph
        if not waiting or (cuda.is_initialized() and cuda.is_current_stream_capturing()):
            return
        self._copied_at = time.perf_counter()
        self._copy(waiting)
        if wait or self._arrived is None:
            self._take()

    def _copy(self, records: Sequence[HasTensors]) -> None:
        tensors = [record.device_tensors() for record in records]
        self._records, self._counts = records, [len(each) for each in tensors]
        with torch.no_grad():
            device = tensors[0][0].device
            flat = [
                each.reshape(()).to(device, torch.float64 if device.type == "cuda" else torch.float32)
                for part in tensors
                for each in part
            ]
            stacked = torch.stack(flat)
        if device.type == "cuda":
            self._host = torch.empty(stacked.shape, dtype=stacked.dtype, pin_memory=True)
            self._host.copy_(stacked, non_blocking=True)
            events: Any = torch.cuda
            self._arrived = events.Event()
            self._arrived.record(events.current_stream(device))
        else:
            self._host, self._arrived = stacked.cpu(), None

    def _take(self) -> None:
        assert self._host is not None
        if self._arrived is not None:
            self._arrived.synchronize()
        numbers = self._host.tolist()
        for record, count in zip(self._records, self._counts, strict=True):
            record.replace_device_tensors(numbers[:count])
            numbers = numbers[count:]
        self._host, self._arrived, self._records = None, None, ()
