"""Which device a run computes on, and how."""

from __future__ import annotations

import torch

from lrtui.run.errors import DeviceError


def present_devices() -> list[str]:
    """Return the kinds of device that are there, the fastest first; `cpu` is always the last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is the fastest that is there.

    Raises:
        DeviceError: for a device that is not there; names those that are.
    """
    present = present_devices()
    if name == "auto":
        return torch.device(present[0])
    if name not in present:
        raise DeviceError(f"--device {name}: PyTorch finds no such device here; there is {', '.join(present)}")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Return the device's name, a GPU's with its make: `cuda (NVIDIA H100)`."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return device.type
