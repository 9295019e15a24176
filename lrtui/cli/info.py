"""`lrtui info`: what a run would find here."""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

EPILOG = ""

PACKAGES = ("lrtui", "torch", "torchvision", "textual", "plotext", "numpy")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("--data-dir", metavar="DIR", help="where the data set lies (default: the user's cache)")


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    rows = [("python", f"{platform.python_version()} on {platform.platform()}")]
    rows += [(name, _version(name)) for name in PACKAGES]
    rows += _torch_rows()
    rows += _data_rows(namespace.data_dir)
    rows += _settings_rows()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:<{width}}  {value}")
    return 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _torch_rows() -> list[tuple[str, str]]:
    print("importing PyTorch ...", file=sys.stderr)
    import torch

    from lrtui.training.device import describe_device, present_devices

    devices = [describe_device(torch.device(name)) for name in present_devices()]
    fast_bf16 = "avx512_bf16" if torch.cpu._is_avx512_bf16_supported() else "no instructions for it: slow"
    return [
        ("devices", f"{', '.join(devices)} (auto takes {devices[0]})"),
        ("torch threads", str(torch.get_num_threads())),
        ("bf16 on the CPU", fast_bf16),
    ]


def _data_rows(data_dir: str | None) -> list[tuple[str, str]]:
    from lrtui.tasks.fashion_mnist_files import cache_directory, local_folder

    found = local_folder(data_dir)
    words = "Fashion-MNIST is not here: the first run downloads it, or takes the bundled sample"
    if found is not None:
        words = f"Fashion-MNIST from {found[0]} ({found[1]})"
    return [("data", words), ("cache", data_dir or str(cache_directory()))]


def _settings_rows() -> list[tuple[str, str]]:
    from lrtui.settings import read_settings

    settings = read_settings()
    faults = [("", fault) for fault in settings.faults]
    return [("settings", f"{settings.path}{'' if settings.exists else ' (not there: all at their defaults)'}"), *faults]
