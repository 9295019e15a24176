"""What holds for every test: no network, no cache of the developer's, one torch thread a process."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from dataclasses import replace

# before torch is imported: two test processes on two cores
os.environ["OMP_NUM_THREADS"] = "1"
# before textual is imported: either would change every picture
os.environ.pop("NO_COLOR", None)
os.environ.pop("TEXTUAL_THEME", None)

from pathlib import Path

import pytest

from lrtui.run.errors import DataError
from lrtui.tasks import fashion_mnist
from lrtui.tasks.datasets import DataSet


def pytest_collection_finish() -> None:
    """What was imported stays anyway: to look through it for garbage again and again takes a quarter of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(autouse=True, scope="session")
def signals_as_in_a_shell() -> Iterator[None]:
    """Children inherit which signals are ignored: under nohup, or in the background, some are."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number in numbers:
        if before[number] is signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def no_network_and_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(data_set: object, folder: Path, say: object) -> Path:
        raise DataError("tests have no network")

    monkeypatch.setattr(DataSet, "download", refuse)
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", replace(fashion_mnist.FASHION_MNIST, packages=()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def settings_of_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The developer's own settings change no test; the file is there, so that no start is a first one."""
    config = tmp_path_factory.mktemp("config")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    (config / "lrtui").mkdir()
    (config / "lrtui" / "settings.toml").touch()


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that keeps runs names its own store."""
    monkeypatch.setenv("LRTUI_STORE", "none")
