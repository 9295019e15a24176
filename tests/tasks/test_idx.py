from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from lrtui.run.errors import DataError
from lrtui.tasks.idx import read_idx, write_idx

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_idx(tmp_path / "images.gz", IMAGES)
    return tmp_path / "images.gz"


def test_a_written_file_is_read_back(file: Path) -> None:
    assert np.array_equal(read_idx(file), IMAGES)


def test_the_same_array_gives_the_same_bytes(file: Path, tmp_path: Path) -> None:
    write_idx(tmp_path / "again.gz", IMAGES)
    assert (tmp_path / "again.gz").read_bytes() == file.read_bytes()


def test_a_file_cut_off_anywhere_is_refused_by_name(file: Path) -> None:
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"images\.gz"):
            read_idx(file)


def test_a_flipped_bit_is_detected(file: Path) -> None:
    whole = file.read_bytes()
    # the first ten bytes are gzip's header; its time and system fields don't affect the content
    for place in range(10, len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(DataError, match="truncated or corrupt"):
            read_idx(file)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an IDX file"),
        (b"\0\0\x08", "is not an IDX file"),
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "is not an IDX file of bytes"),
        (b"<html>not found</html>", "is not an IDX file"),
        (b"\0\0\x08\3\0\0\0\2\0\0", "ends within its header"),
        (b"\0\0\x08\1\0\0\0\5abcd", "has 4 bytes of data where its header says 5"),
        (b"\0\0\x08\1\0\0\0\3abcd", "has 4 bytes of data where its header says 3"),
    ],
)
def test_content_that_is_not_idx_is_refused(file: Path, content: bytes, words: str) -> None:
    file.write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=words):
        read_idx(file)


def test_a_missing_file_is_called_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing"):
        read_idx(tmp_path / "nothing.gz")


def test_a_file_that_cannot_be_opened_is_not_called_corrupt(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read: Is a directory"):
        read_idx(tmp_path)
