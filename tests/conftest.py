"""Fixtures for every test: no network, no user cache or settings, no store, one torch thread per process."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

# set before torch is imported: two test processes share two cores
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
# each process of a test would compile lrtui again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# in the C locale lrtui draws with ASCII only
os.environ.pop("LC_ALL", None)
os.environ.pop("LC_CTYPE", None)
os.environ["LANG"] = "C.UTF-8"
# unset before textual is imported: either would change every snapshot
os.environ.pop("NO_COLOR", None)
os.environ.pop("TEXTUAL_THEME", None)

from pathlib import Path

import example_counts
import process_server
import pytest

from lrtui.run.errors import DataError
from lrtui.tasks import fashion_mnist
from lrtui.tasks.datasets import DataSet


def pytest_configure(config: pytest.Config) -> None:
    sys.dont_write_bytecode = False
    example_counts.IS_DEEP = config.getoption("markexpr") != "not deep"
    if config.args_source == pytest.Config.ArgsSource.TESTPATHS and not hasattr(config, "workerinput"):
        # one server for the workers of the whole suite; otherwise those that need one start their own
        os.environ[process_server.ADDRESS] = process_server.address()


def pytest_collection_finish() -> None:
    """Exclude imported modules from garbage collection, which would otherwise take a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(autouse=True, scope="session")
def default_signal_handlers() -> Iterator[None]:
    """Restore ignored signals, which child processes inherit: under nohup or in the background, some are ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            # Python's own handler raises KeyboardInterrupt
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(data_set: object, folder: Path, say: object) -> Path:
        raise DataError("tests have no network")

    monkeypatch.setattr(DataSet, "download", refuse)
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", replace(fashion_mnist.FASHION_MNIST, packages=()))


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders; `tmp_path_factory` takes a millisecond to find a name among thousands."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def no_cache_and_default_settings(monkeypatch: pytest.MonkeyPatch, homes: Iterator[Path]) -> None:
    """Use an empty settings file instead of the developer's; it exists, so that no start counts as the first one."""
    home = next(homes)
    (home / "lrtui").mkdir(parents=True)
    (home / "lrtui" / "settings.toml").touch()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))


@pytest.fixture(autouse=True)
def no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Store no runs, except in tests that name a store."""
    monkeypatch.setenv("LRTUI_STORE", "none")
