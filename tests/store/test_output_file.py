"""Writing a file that the user names: regular files, links, devices and fifos."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lrtui.run.errors import StoreError
from lrtui.store.output_file import write_file


def test_a_link_stays_a_link_and_its_file_keeps_its_permissions(tmp_path: Path) -> None:
    (target := tmp_path / "target").write_text("old")
    target.chmod(0o640)
    (link := tmp_path / "link").symlink_to(target)
    write_file(link, ["new", "\n"])
    assert link.is_symlink()
    assert target.read_text() == "new\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]


def test_a_fifo_is_written_through(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "fifo")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text()))
    reader.start()
    write_file(fifo, ["text"])
    reader.join(120)
    assert read == ["text"]
    assert fifo.is_fifo()


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    (link := tmp_path / "null").symlink_to("/dev/null")
    write_file(link, ["text"])
    assert link.is_symlink()
    assert Path("/dev/null").is_char_device()
    with pytest.raises(StoreError, match="No space left"):
        write_file("/dev/full", ["text"])
    assert Path("/dev/full").is_char_device()


def test_a_file_is_replaced_only_by_a_complete_one(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_text("old")

    def pieces() -> Iterator[str]:
        yield "new"
        raise OSError("broken")

    with pytest.raises(StoreError, match="can't be written: broken; try"):
        write_file(path, pieces(), "; try again")
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"]
