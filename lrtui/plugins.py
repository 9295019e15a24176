"""Plugins: tasks, run sources and log formats, those of lrtui and those that other packages register."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lrtui.run.errors import TaskError
from lrtui.run.source import SOURCES, RunSource
from lrtui.run.spec import RunSpec

LOG_FORMATS = "lrtui.log_formats"
"""The entry-point group of log formats. An entry point names a class that implements `lrtui.sources.log.LogFormat`."""

BUILT_IN: dict[str, dict[str, str]] = {
    "lrtui.tasks": {"fashion-mnist": "lrtui.tasks.fashion_mnist:FashionMnist"},
    SOURCES: {"store": "lrtui.store.source:open_source"},
    # in the order in which they are asked whether a file is theirs
    LOG_FORMATS: {
        "tensorboard": "lrtui.sources.tensorboard.log_format:TensorBoardFormat",
        "wandb": "lrtui.sources.wandb.log_format:WandbFile",
        "trainer_state": "lrtui.sources.trainer.log_format:TrainerState",
        "lightning_csv": "lrtui.sources.text.lightning_csv:LightningCsv",
        "lrtui": "lrtui.sources.text.lrtui_export:LrtuiExport",
        "jsonl": "lrtui.sources.text.jsonl:JsonLines",
        "csv": "lrtui.sources.text.csv_log:CsvLogs",
    },
}
"""lrtui's plugins, by group and name; others are entry points of their packages.

These are listed here because reading the entry points of all installed packages takes 30 ms, and a new one would
appear only after lrtui is installed again.
"""


def _registered(group: str) -> tuple[dict[str, str], list[str]]:
    """Return the import path of each plugin by name, and why other plugins are ignored."""
    # reading the entry points of all installed packages takes 30 ms, which no first frame waits for
    from importlib.metadata import entry_points

    places, left_out = dict(BUILT_IN.get(group, {})), []
    for point in entry_points(group=group):
        place = places.setdefault(point.name, point.value)
        if place != point.value:
            left_out.append(f"{point.name} ({point.value}) is ignored: {place} has the same name")
    return places, left_out


def _places(group: str) -> dict[str, str]:
    return _registered(group)[0]


def is_plugin(group: str, name: str) -> bool:
    """Return whether the name is registered in a group."""
    return name in BUILT_IN.get(group, {}) or name in _places(group)


def plugin_names(group: str) -> list[str]:
    """Return the names registered in a group, without importing the plugins."""
    return sorted(_places(group))


def load_plugin(group: str, name: str) -> Any:
    """Return the object registered under that name.

    Raises:
        TaskError: if its package fails when it is imported.
    """
    place, _, attribute = (BUILT_IN.get(group, {}).get(name) or _places(group)[name]).partition(":")
    try:
        return getattr(import_module(place), attribute)
    except Exception as error:  # another package can raise anything
        raise TaskError(f"{name} ({place}) can't be loaded: {type(error).__name__}: {error}") from error


def open_sources(spec: RunSpec) -> tuple[list[RunSource], list[str]]:
    """Return the run sources that have something to show, and why others are ignored or can't be opened.

    If two have the same name, the built-in one is opened, otherwise the first one.

    Args:
        spec: settings shown in the cockpit.
    """
    places, left_out = _registered(SOURCES)
    sources: list[RunSource] = []
    trouble = [f"The run source {reason}" for reason in left_out]
    for name in sorted(places):
        try:
            source = load_plugin(SOURCES, name)(spec)
        except Exception as error:  # another package can raise anything, and must not take the run list with it
            trouble.append(f"The run source {name} can't be opened: {error}")
        else:
            if source is not None:
                sources.append(source)
    return sources, trouble
