"""How busy the machine is: CPU, memory, and the first GPU that this process may use. Sampled in a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

SAMPLE_SECONDS = 2.0
"""Interval between two samples."""


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """One sample.

    Args:
        cpu: utilization of all CPUs in percent.
        memory: bytes in use.
        total_memory: bytes that there are.
        gpu: utilization of the GPU in percent; None without one, or if its driver does not tell.
        gpu_memory: bytes in use on the GPU; None without one.
        total_gpu_memory: bytes that it has.
    """

    cpu: float
    memory: int
    total_memory: int
    gpu: float | None = None
    gpu_memory: int | None = None
    total_gpu_memory: int = 0


class MachineMonitor:
    """Samples the load until it is closed."""

    def __init__(self) -> None:
        self._latest: MachineLoad | None = None
        self._closed = threading.Event()

    @property
    def latest(self) -> MachineLoad | None:
        """The latest sample; None before the first."""
        return self._latest

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._sample, name="machine", daemon=True).start()

    def close(self) -> None:
        """Stop sampling; does not wait for the thread."""
        self._closed.set()

    def _sample(self) -> None:
        # takes 20 ms to import
        import psutil

        read_gpu = gpu_reader()
        # the first value is that since the start of the system
        psutil.cpu_percent()
        while not self._closed.wait(SAMPLE_SECONDS):
            memory = psutil.virtual_memory()
            used = memory.total - memory.available
            self._latest = MachineLoad(psutil.cpu_percent(), used, memory.total, *read_gpu())


GpuSample = tuple[float | None, int | None, int]
NO_GPU: GpuSample = (None, None, 0)


def gpu_reader() -> Callable[[], GpuSample]:
    """Return a function that reads utilization, bytes in use and bytes of the GPU; it returns `NO_GPU` without one."""
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
        handle = _first_visible(nvml)
    except Exception:  # without the package, the driver or a GPU, each in a way of its own
        return lambda: NO_GPU

    def read() -> GpuSample:
        utilization, used, total = NO_GPU
        try:
            utilization = float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        except Exception:  # not supported by a part of a GPU (MIG), for one
            utilization = None
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            used, total = int(memory.used), int(memory.total)
        except Exception:  # the driver was unloaded, for one
            return NO_GPU
        return utilization, used, total

    return read


def _first_visible(nvml: Any) -> Any:
    """Return the handle of the first GPU that CUDA may use."""
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() or "-1"
    if first.startswith(("GPU-", "MIG-")):
        return nvml.nvmlDeviceGetHandleByUUID(first)
    return nvml.nvmlDeviceGetHandleByIndex(int(first))
