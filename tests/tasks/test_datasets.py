from __future__ import annotations

import hashlib
import http.client
import shutil
import sys
import tarfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_fashion import TEST, TRAIN, write_small_fashion

from lrtui.run.errors import DataError
from lrtui.tasks import datasets, fashion_mnist
from lrtui.tasks.datasets import DataSet, Found, cache_directory
from lrtui.tasks.fashion_mnist import NAMES, Arrays, read_files
from lrtui.tasks.idx import read_idx, write_idx


@pytest.fixture
def said() -> list[str]:
    return []


# before the fixture of conftest.py replaces it
real_download = DataSet.download


def find_files(data_dir: str | None, say: Any) -> Found[Arrays]:
    return fashion_mnist.FASHION_MNIST.find(data_dir, say)


def download(folder: Path, say: Any) -> Path:
    return real_download(fashion_mnist.FASHION_MNIST, folder, say)


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = write_small_fashion(tmp_path / "debian", seed=1)
    packaged = replace(fashion_mnist.FASHION_MNIST, packages=(("Debian package", folder),))
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", packaged)
    return folder


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that replaces the server, with the checksums of its files."""
    folder = write_small_fashion(tmp_path / "mirror", seed=2)
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in NAMES}
    mirrored = replace(fashion_mnist.FASHION_MNIST, files=sums, urls=(folder.as_uri() + "/",))
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", mirrored)
    monkeypatch.setattr(DataSet, "download", real_download)
    return folder


def _raw(cache: Path) -> Path:
    return cache / "FashionMNIST" / "raw"


@pytest.mark.parametrize("layout", ["FashionMNIST/raw", "."])
def test_a_cache_comes_before_debians_files(tmp_path: Path, debian: Path, said: list[str], layout: str) -> None:
    folder = write_small_fashion(tmp_path / "mine" / layout)
    found = find_files(str(tmp_path / "mine"), said.append)
    assert (found.source, Path(found.where)) == ("cache", folder)
    assert np.array_equal(found.content[0], read_idx(folder / NAMES[0]))
    assert said == []


def test_the_users_cache_directory_is_the_default(debian: Path, said: list[str]) -> None:
    folder = write_small_fashion(_raw(cache_directory()))
    assert find_files(None, said.append).where == str(folder)


def test_debians_files_need_neither_network_nor_torchvision(
    debian: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    found = find_files(None, said.append)
    assert (found.source, found.where) == ("Debian package", str(debian))
    assert fashion_mnist.FASHION_MNIST.local_folder(None) == ("Debian package", debian)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("harm", ["truncated", "missing", "emptied", "of other sizes"])
def test_a_damaged_cache_is_reported_and_the_next_source_used(
    tmp_path: Path, debian: Path, said: list[str], name: str, harm: str
) -> None:
    file = write_small_fashion(tmp_path / "mine") / name
    match harm:
        case "truncated":
            file.write_bytes(file.read_bytes()[:-9])
        case "missing":
            file.unlink()
        case "emptied":
            file.write_bytes(b"")
        case _:
            write_idx(file, read_idx(file)[:-1])
    assert find_files(str(tmp_path / "mine"), said.append).source == "Debian package"
    assert len(said) == 1
    assert str(tmp_path / "mine") in said[0]
    assert said[0].endswith("is not used")


def test_a_cache_without_access_is_skipped(debian: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real_stat = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        if str(path).startswith(str(cache_directory())):
            raise PermissionError(13, "Permission denied", str(path))
        return real_stat(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert find_files(None, said.append).source == "Debian package"


def test_without_data_the_bundled_sample_is_used_with_a_reason(said: list[str]) -> None:
    found = find_files(None, said.append)
    assert found.source == "bundled sample"
    assert said == ["tests have no network"]
    assert not cache_directory().exists()


def test_a_download_is_used_at_once_and_is_the_cache_from_then_on(
    mirror: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_files(None, said.append)
    assert (found.source, found.where) == ("download", str(_raw(cache_directory())))
    assert sorted(path.name for path in _raw(cache_directory()).iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert any(line.startswith(f"downloading {name}: 100 %") for line in said)

    # the second start: without torchvision, and without messages
    monkeypatch.setitem(sys.modules, "torchvision", None)
    said.clear()
    assert find_files(None, said.append).source == "cache"
    assert said == []


def test_only_damaged_files_are_downloaded_again(mirror: Path, tmp_path: Path, said: list[str]) -> None:
    folder = download(tmp_path / "to", said.append)
    (folder / NAMES[2]).write_bytes(b"half")
    said.clear()
    download(folder, said.append)
    assert {line.split(":")[0] for line in said if "downloading" in line} == {f"downloading {NAMES[2]}"}
    assert len(read_files(folder)[2]) == TEST


def test_a_download_that_arrives_corrupt_leaves_nothing(mirror: Path, tmp_path: Path, said: list[str]) -> None:
    (mirror / NAMES[0]).write_bytes(b"something else")
    with pytest.raises(DataError, match=f"{NAMES[0]} .* is corrupt"):
        download(tmp_path / "to", said.append)
    assert list((tmp_path / "to").iterdir()) == []


class _BreaksOff:
    """A response whose second piece never arrives."""

    def __init__(self, error: Exception) -> None:
        self.headers = {"Content-Length": "1000000"}
        self._pieces: Iterator[bytes] = iter([b"x" * 1000])
        self._error = error

    def read(self, _: int) -> bytes:
        for piece in self._pieces:
            return piece
        raise self._error

    def __enter__(self) -> _BreaksOff:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError("reset"), TimeoutError("timed out"), http.client.IncompleteRead(b"")],
    ids=lambda error: type(error).__name__,
)
def test_a_download_that_breaks_off_falls_back_to_the_sample(
    mirror: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: _BreaksOff(error))
    assert find_files(None, said.append).source == "bundled sample"
    assert list(_raw(cache_directory()).iterdir()) == []
    assert "can't be downloaded" in said[-1]


@pytest.mark.parametrize(
    "error",
    [OSError("Name or service not known"), http.client.BadStatusLine("<html>")],
    ids=lambda error: type(error).__name__,
)
def test_no_network_is_one_line(
    mirror: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert find_files(None, said.append).source == "bundled sample"
    assert [line for line in said if "can't be downloaded" in line] == said[1:]
    assert "\n" not in said[-1]
    assert "--data-dir" in said[-1]


def test_an_address_that_never_answers_times_out(
    mirror: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # name resolution has no time limit, and each address of a host has a separate one
    test_is_over = threading.Event()
    monkeypatch.setattr(datasets, "RESPONSE_TIMEOUT", 0.05)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: test_is_over.wait(30))
    try:
        with pytest.raises(DataError, match=r"no response within 0\.05 s"):
            download(tmp_path / "to", said.append)
    finally:
        test_is_over.set()


def test_a_cache_that_cannot_be_written_is_no_failure(mirror: Path, tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert find_files(str(tmp_path / "file"), said.append).source == "bundled sample"
    assert "can't be downloaded" in said[-1]


def test_without_a_sample_a_failed_download_is_an_error(mirror: Path) -> None:
    without_sample = replace(fashion_mnist.FASHION_MNIST, urls=(), sample=None)
    with pytest.raises(DataError, match=r"can't be downloaded \(no download address is given\)\. Debian has it"):
        without_sample.find(None, lambda _: None)


def test_a_task_that_stops_a_download_leaves_nothing(mirror: Path, tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    def say(text: str) -> None:
        if "100 %" in text:
            raise Stop

    with pytest.raises(Stop):
        download(tmp_path / "to", say)
    assert list((tmp_path / "to").iterdir()) == []


def test_the_arrays_come_in_their_order(tmp_path: Path) -> None:
    shapes = [array.shape for array in read_files(write_small_fashion(tmp_path / "small"))]
    assert shapes == [(TRAIN, 28, 28), (TRAIN,), (TEST, 28, 28), (TEST,)]


# -- archives ---------------------------------------------------------------------------------------------------------


def read_numbers(folder: Path) -> list[int]:
    """Return the numbers in the two files of an archive."""
    try:
        return [int((folder / name).read_text()) for name in ("train.txt", "test.txt")]
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} is damaged: {error}") from None


@pytest.fixture(params=["gztar", "tar", "zip"])
def archived(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet[list[int]]:
    """A data set whose two files are in one archive on a local server."""
    (tmp_path / "content" / "numbers").mkdir(parents=True)
    for name, number in (("train.txt", 7), ("test.txt", 3)):
        (tmp_path / "content" / "numbers" / name).write_text(str(number))
    archive = Path(shutil.make_archive(str(tmp_path / "mirror" / "numbers"), request.param, tmp_path / "content"))
    monkeypatch.setattr(DataSet, "download", real_download)
    return DataSet(
        name="Numbers",
        files={archive.name: hashlib.md5(archive.read_bytes()).hexdigest()},
        urls=(archive.parent.as_uri() + "/",),
        folder="Numbers",
        read=read_numbers,
        unpacked="numbers",
    )


def test_an_archive_is_downloaded_unpacked_and_read(archived: DataSet[list[int]], said: list[str]) -> None:
    found = archived.find(None, said.append)
    cache = cache_directory() / "Numbers"
    assert found == Found("download", str(cache), [7, 3])
    assert {path.name for path in cache.iterdir()} == {*archived.files, "numbers"}
    # from then on the unpacked files are read
    (cache / next(iter(archived.files))).unlink()
    assert replace(archived, urls=()).find(None, said.append) == Found("cache", str(cache), [7, 3])


def test_an_archive_in_the_users_folder_is_unpacked_without_a_network(
    archived: DataSet[list[int]], tmp_path: Path, said: list[str]
) -> None:
    offline = replace(archived, urls=())
    assert offline.find(str(tmp_path / "mirror"), said.append).content == [7, 3]
    assert (tmp_path / "mirror" / "Numbers" / "numbers" / "train.txt").is_file()
    assert said == []


def test_a_damaged_archive_is_reported_and_downloaded_again(
    archived: DataSet[list[int]], tmp_path: Path, said: list[str]
) -> None:
    name = next(iter(archived.files))
    folder = tmp_path / "mine" / "Numbers"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"not an archive")
    found = archived.find(str(tmp_path / "mine"), said.append)
    assert (found.source, found.content) == ("download", [7, 3])
    assert said[0].startswith(f"{folder / name} can't be unpacked")
    assert said[0].endswith("is not used")


def test_damaged_unpacked_files_are_replaced(archived: DataSet[list[int]], said: list[str]) -> None:
    unpacked = cache_directory() / "Numbers" / "numbers"
    archived.find(None, said.append)
    (unpacked / "test.txt").unlink()
    assert archived.find(None, said.append).content == [7, 3]
    assert sorted(path.name for path in unpacked.parent.iterdir()) == sorted([*archived.files, "numbers"])


def test_an_archive_can_not_write_outside_of_its_folder(tmp_path: Path, said: list[str]) -> None:
    (tmp_path / "evil.txt").write_text("5")
    with tarfile.open(tmp_path / "numbers.tar", "w") as archive:
        archive.add(tmp_path / "evil.txt", "../../outside.txt")
    data_set = DataSet(
        name="Numbers", files={"numbers.tar": ""}, urls=(), folder="Numbers", read=read_numbers, unpacked="numbers"
    )
    with pytest.raises(DataError):
        data_set.find(str(tmp_path), said.append)
    assert "can't be unpacked" in said[0]
    assert not list(tmp_path.rglob("outside.txt"))
    assert list((tmp_path / "Numbers").iterdir()) == []
