"""What holds for every test: no network, no cache of the developer's, one torch thread a process."""

from __future__ import annotations

import os

# before torch is imported: two test processes on two cores
os.environ["OMP_NUM_THREADS"] = "1"
# before textual is imported: either would change every picture
os.environ.pop("NO_COLOR", None)
os.environ.pop("TEXTUAL_THEME", None)

from pathlib import Path

import pytest

from lrtui.run.errors import DataError
from lrtui.tasks import fashion_mnist_files


@pytest.fixture(autouse=True)
def no_network_and_no_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(folder: Path, say: object) -> Path:
        raise DataError("tests have no network")

    monkeypatch.setattr(fashion_mnist_files, "download", refuse)
    monkeypatch.setattr(fashion_mnist_files, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
