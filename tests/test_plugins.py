"""Registered plugins: listing, loading, and those that fail to load."""

from __future__ import annotations

from importlib import metadata

import pytest

from lrtui import plugins
from lrtui.run.errors import TaskError
from lrtui.tasks.fashion_mnist import FashionMnist

GROUP = "lrtui.tasks"


@pytest.fixture
def two_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    points = metadata.EntryPoints(
        [
            metadata.EntryPoint("fractions", "fractions:Fraction", GROUP),
            metadata.EntryPoint("broken", "no_such_package.tasks:Task", GROUP),
        ]
    )
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: points.select(group=group))


@pytest.mark.usefixtures("two_registered")
def test_all_names_are_listed_even_if_a_plugin_is_broken() -> None:
    assert plugins.plugin_names(GROUP) == sorted(["broken", "fractions", *plugins.BUILT_IN[GROUP]])


@pytest.mark.usefixtures("two_registered")
def test_a_plugin_is_loaded_by_its_name() -> None:
    assert plugins.load_plugin(GROUP, "fractions").__name__ == "Fraction"


@pytest.mark.usefixtures("two_registered")
def test_a_broken_plugin_is_reported_with_its_module() -> None:
    with pytest.raises(TaskError, match=r"broken \(no_such_package.tasks\) can't be loaded: ModuleNotFoundError"):
        plugins.load_plugin(GROUP, "broken")


def test_the_case_study_is_available_without_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: metadata.EntryPoints())
    assert plugins.plugin_names(GROUP) == sorted(plugins.BUILT_IN[GROUP])
    assert plugins.load_plugin(GROUP, "fashion-mnist") is FashionMnist
