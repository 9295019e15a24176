from __future__ import annotations

import os
from pathlib import Path

import pytest

from lrtui.sources.text import line_tail
from lrtui.sources.text.line_tail import LineTail


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def lines_of(tail: LineTail) -> list[bytes]:
    """Read all that there is, and return the lines."""
    data = b""
    while True:
        block = tail.read()
        data = block.data if block.from_start else data + block.data
        if not block.has_more:
            return data.split(b"\n")[:-1]


def test_each_line_is_returned_once_and_half_a_line_when_it_is_complete(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    tail = LineTail(path)
    block = tail.read()
    assert (block.data, block.open_line, block.first_line) == (b"one\n", b"tw", 1)
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    block = tail.read()
    assert (block.data, block.open_line, block.first_line) == (b"two\nthree\n", b"", 2)
    assert tail.read().data == b""
    assert not block.from_start


def test_there_is_news_only_if_the_file_changed(path: Path) -> None:
    tail = LineTail(path)
    assert tail.has_news()
    tail.read()
    assert not tail.has_news()
    path.write_bytes(b"one\n")
    assert tail.has_news()
    assert tail.read().data == b"one\n"
    assert not tail.has_news()
    path.unlink()
    assert tail.has_news()
    tail.read()
    assert tail.trouble == f"{path} can't be read: No such file or directory."
    assert not tail.has_news()


def test_a_file_that_comes_back_is_read_without_trouble(path: Path) -> None:
    path.write_bytes(b"one\n")
    tail = LineTail(path)
    tail.read()
    path.unlink()
    tail.read()
    path.write_bytes(b"one\ntwo\n")
    assert lines_of(tail)[-1] == b"two"
    assert tail.trouble == ""


def test_a_truncated_file_is_read_from_its_start(path: Path) -> None:
    path.write_bytes(b"one\ntwo\n")
    tail = LineTail(path)
    tail.read()
    path.write_bytes(b"three\n")
    block = tail.read()
    assert (block.data, block.from_start, block.first_line) == (b"three\n", True, 1)


def test_a_rewritten_file_that_is_longer_is_read_from_its_start(path: Path) -> None:
    path.write_bytes(b"a,b\n1,2\n")
    tail = LineTail(path)
    tail.read()
    path.write_bytes(b"a,b,c\n1,2,\n3,4,5\n")
    block = tail.read()
    assert (block.data, block.from_start) == (b"a,b,c\n1,2,\n3,4,5\n", True)


def test_a_file_rewritten_after_its_first_part_is_read_from_its_start(path: Path) -> None:
    path.write_bytes(b"x" * 2000 + b"\n" + b"one\n" * 100)
    tail = LineTail(path)
    tail.read()
    path.write_bytes(b"x" * 2000 + b"\n" + b"two\n" * 101)
    assert tail.read().from_start


def test_a_replaced_file_is_read_from_its_start(path: Path) -> None:
    path.write_bytes(b"one\n")
    tail = LineTail(path)
    tail.read()
    other = path.with_name("other")
    other.write_bytes(b"one\ntwo\n")
    os.replace(other, path)
    assert tail.has_news()
    block = tail.read()
    assert (block.data, block.from_start) == (b"one\ntwo\n", True)


def test_a_link_that_points_elsewhere_is_read_from_its_start(path: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(b"same\n" + name.encode() + b"\n")
    path.symlink_to("first")
    tail = LineTail(path)
    assert lines_of(tail) == [b"same", b"first"]
    path.unlink()
    path.symlink_to("second")
    assert lines_of(tail) == [b"same", b"second"]


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    tail = LineTail(path)
    assert tail.read().data == b""
    assert tail.trouble == f"{path} can't be read: it is not a file."


def test_a_folder_is_trouble(tmp_path: Path) -> None:
    tail = LineTail(tmp_path)
    tail.read()
    assert tail.trouble.startswith(f"{tmp_path} can't be read: ")


@pytest.mark.parametrize("block", [1, 2, 3, 7, 4 << 20])
def test_a_byte_order_mark_and_nul_bytes_are_left_out(path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_tail, "BLOCK_BYTES", block)
    path.write_bytes(b"\xef\xbb\xbfone\n\0\0\0\0two\nthr\0ee\n")
    tail = LineTail(path)
    assert lines_of(tail) == [b"one", b"two", b"three"]
    assert tail.trouble == f"{path} has 5 NUL bytes as after a crash, left out."


@pytest.mark.parametrize("block", [1, 2, 3, 4 << 20])
def test_all_line_breaks_end_a_line(path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_tail, "BLOCK_BYTES", block)
    # as a progress bar writes
    path.write_bytes(b"one\r\ntwo\n\r 5%\r10%\rthree\nfour\r")
    tail = LineTail(path)
    assert lines_of(tail) == [b"one", b"two", b"", b" 5%", b"10%", b"three"]
    with path.open("ab") as file:
        file.write(b"\nfive\n")
    assert lines_of(tail) == [b"four", b"five"]


@pytest.mark.parametrize("block", [1, 5, 11, 4 << 20])
def test_a_line_above_the_limit_is_left_out_and_named(path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_tail, "BLOCK_BYTES", block)
    monkeypatch.setattr(line_tail, "LONGEST_LINE", 10)
    path.write_bytes(b"one\n" + b"x" * 11 + b"\ntwo\n" + b"y" * 10 + b"\n" + b"z" * 500 + b"\nthree\n")
    tail = LineTail(path)
    assert lines_of(tail) == [b"one", b"", b"two", b"y" * 10, b"", b"three"]
    assert f"{path}, line 2 is left out: it is longer than" in tail.trouble
    assert "(1 more line is left out)" in tail.trouble


def test_utf_16_is_trouble(path: Path) -> None:
    path.write_bytes("step,loss\n".encode("utf-16"))
    tail = LineTail(path)
    assert tail.read().data == b""
    assert tail.trouble == f"{path} can't be read: its text is UTF-16, not UTF-8."


def test_an_open_line_is_offered_again_once_the_file_is_quiet(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"one\ntwo")
    tail = LineTail(path)
    assert not tail.read().is_quiet
    assert not tail.has_news()
    monkeypatch.setattr(line_tail, "QUIET_SECONDS", -1.0)
    assert tail.has_news()
    block = tail.read()
    assert (block.open_line, block.is_quiet) == (b"two", True)
    assert not tail.has_news()


def test_a_line_break_after_an_open_line_that_was_taken_is_no_line(path: Path) -> None:
    path.write_bytes(b"one\ntwo")
    tail = LineTail(path)
    tail.read()
    tail.take_open()
    for added in (b"\r", b"\n", b"three\n"):
        with path.open("ab") as file:
            file.write(added)
        block = tail.read()
    assert (block.data, block.first_line, block.from_start) == (b"three\n", 3, False)


def test_an_open_line_that_was_taken_and_goes_on_is_read_again(path: Path) -> None:
    path.write_bytes(b"one\ntwo")
    tail = LineTail(path)
    tail.read()
    tail.take_open()
    with path.open("ab") as file:
        file.write(b"s\n")
    block = tail.read()
    assert (block.data, block.from_start) == (b"one\ntwos\n", True)
