"""`lrtui info`: shows versions, devices, data and settings."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import click

from lrtui.cli.command import Command, option
from lrtui.cli.terminal import terminal_width
from lrtui.text.format import wrapped

PACKAGES = ("lrtui", "torch", "torchvision", "textual", "plotext", "numpy")


@click.command(cls=Command)
@option("--data-dir", metavar="DIR", help="where the data set is (default: the user's cache)", type=click.Path())
def command(data_dir: str | None) -> int:
    rows = [("python", f"{platform.python_version()} on {platform.platform()}")]
    rows += [(name, _version(name)) for name in PACKAGES]
    rows += _torch_rows()
    rows += _data_rows(data_dir)
    rows += _settings_rows()
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print("\n".join(wrapped(f"{name:<{width}}  {value}", terminal_width(), width + 2)))
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
    fast_bf16 = "avx512_bf16" if torch.cpu._is_avx512_bf16_supported() else "not supported in hardware: slow"
    return [
        ("devices", f"{', '.join(devices)} (auto uses {devices[0]})"),
        ("torch threads", str(torch.get_num_threads())),
        ("bf16 on the CPU", fast_bf16),
    ]


def _data_rows(data_dir: str | None) -> list[tuple[str, str]]:
    from lrtui.plugins import plugin_names
    from lrtui.tasks.datasets import cache_directory
    from lrtui.tasks.registry import GROUP

    names = plugin_names(GROUP)
    rows = [("tasks", ", ".join(names))]
    rows += [("data", text) for text in dict.fromkeys(_data_of(name, data_dir) for name in names) if text]
    return [*rows, ("cache", data_dir or str(cache_directory()))]


def _data_of(task: str, data_dir: str | None) -> str:
    """Return where the data of a registered task is, or why it can't be found out; empty if the task does not say."""
    from lrtui.run.errors import LrtuiError
    from lrtui.tasks.datasets import DataSet
    from lrtui.tasks.registry import find_task

    try:
        data_set = getattr(find_task(task), "data_set", None)
    except LrtuiError as error:
        return f"unknown: {error}"
    if not isinstance(data_set, DataSet):
        return ""
    found = data_set.local_folder(data_dir)
    if found is None:
        sample = ", or uses the bundled sample" if data_set.sample else ""
        return f"{data_set.name} not found: the first run downloads it{sample}"
    return f"{data_set.name} from {found[0]} ({found[1]})"


def _settings_rows() -> list[tuple[str, str]]:
    from lrtui.settings import read_settings

    settings = read_settings()
    faults = [("", fault) for fault in settings.faults]
    return [("settings", f"{settings.path}{'' if settings.exists else ' (no such file: all defaults)'}"), *faults]
