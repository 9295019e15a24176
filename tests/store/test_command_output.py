from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from store_runs import store_events

from lrtui.run.events import RunFinished
from lrtui.run.source import run_started
from lrtui.store.command_output import (
    MAX_READ,
    VARIABLE,
    OutputFile,
    OutputReader,
    earlier_part,
    inherited_output,
    output_path,
)
from lrtui.store.garbage import collect_garbage
from lrtui.store.removal import delete_runs


def test_a_reader_follows_the_file_that_is_written(tmp_path: Path) -> None:
    path = output_path(tmp_path, 3)
    reader = OutputReader(path)
    assert reader.take() == []
    output = OutputFile(path)
    output.write(["one", "two"])
    assert reader.take() == ["one", "two"]
    assert reader.take() == []
    output.show_open_rows(["45/938"])
    output.write(["three"])
    assert reader.take() == ["three"]
    assert reader.open_rows() == ["45/938"]
    output.close()
    assert reader.open_rows() == []
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_file_is_bounded_and_says_what_was_dropped(tmp_path: Path) -> None:
    output, reader = OutputFile(tmp_path / "1.log", max_bytes=1000), OutputReader(tmp_path / "1.log")
    read = []
    for number in range(1000):
        output.write([f"line {number}"])
        read += reader.take()
    output.close()
    assert sum(path.stat().st_size for path in (output.path, earlier_part(output.path))) < 2200
    assert [line for line in read if not line.startswith("[")] == [f"line {number}" for number in range(1000)]
    # a reader that comes later sees the end, and how much is missing
    late = OutputReader(output.path)
    lines = late.take()
    kept = [line for line in lines if not line.startswith("[")]
    assert kept == [f"line {number}" for number in range(1000 - len(kept), 1000)]
    note = output.path.read_text().splitlines()[0]
    dropped = int(note.split()[3].replace(",", ""))
    assert note == f"[lrtui: the first {dropped:,} lines of the output were dropped]"
    assert dropped == 1000 - len(kept)


def test_a_reader_leaves_out_what_no_log_could_show(tmp_path: Path) -> None:
    (path := tmp_path / "1.log").write_text("x" * 99 + "\n", encoding="utf-8")
    reader = OutputReader(path)
    reader.take()
    with path.open("a") as file:
        file.write(("y" * 99 + "\n") * (3 * MAX_READ // 100))
    lines = reader.take()
    assert lines[0].endswith(" bytes of output left out]")
    assert len(lines) <= MAX_READ // 100 + 2
    assert set(lines[1:]) == {"y" * 99}


def test_a_disk_error_is_noted_and_nothing_is_raised(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file where the folder should be")
    output = OutputFile(output_path(tmp_path, 1))
    output.write(["lost"])
    output.show_open_rows(["lost"])
    output.close()
    assert "can't be written" in output.trouble


def test_a_fifo_does_not_block_a_reader(tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "1.log")
    assert OutputReader(fifo).take() == []


def test_the_output_goes_with_the_last_run_that_refers_to_it(tmp_path: Path) -> None:
    events = [replace(run_started(), output="output/a.log"), RunFinished(seq=1, step=0, seconds=0.0, outcome="done")]
    for _ in range(2):
        store_events(tmp_path, events)
    store_events(tmp_path, [replace(run_started(), output="../x.log"), events[1]])
    (outside := tmp_path / "x.log").touch()
    for name in ("a.log", "a.log.1", "a.log.open", "new.log", "notes.txt"):
        (path := tmp_path / "output" / name).parent.mkdir(exist_ok=True)
        path.write_text("text")
    assert delete_runs(tmp_path, [1]).files == 0
    assert delete_runs(tmp_path, [2, 3]).files == 3
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == ["new.log", "notes.txt"]
    assert outside.exists()
    # a new file may be of a command that has just been started
    assert collect_garbage(tmp_path).leftovers.outputs == ()
    os.utime(tmp_path / "output" / "new.log", (0, 0))
    assert collect_garbage(tmp_path).leftovers.outputs == (tmp_path / "output" / "new.log",)
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["notes.txt"]


def test_a_script_finds_the_output_of_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert inherited_output(tmp_path) is None
    monkeypatch.setenv(VARIABLE, str(output_path(tmp_path, 7)))
    assert inherited_output(tmp_path) == "output/7.log"
    assert inherited_output(tmp_path / "other") == str(tmp_path / "output" / "7.log")
