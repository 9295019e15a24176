"""`lrtui runs rename` and `lrtui runs note`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import CommandLine
from recorded_runs import recorded_run
from store_runs import ignore, new_recorder
from waiting import SECONDS

from lrtui.store.connection import open_for_reading
from lrtui.store.writer import Writer


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def known(lrtui: CommandLine, column: str) -> list[str | None]:
    return [json.loads(line)[column] for line in lrtui("runs", "list", "--sort", "id", "--json").lines]


def test_a_run_is_renamed_and_found_by_its_new_name(lrtui: CommandLine) -> None:
    lrtui.record(10, name="old")
    assert lrtui("runs", "rename", "old", "long", "warm-up").err == "#1 old: renamed to long warm-up\n"
    assert known(lrtui, "name") == ["long warm-up"]
    assert lrtui("runs", "rename", "long warm-up", "実行 №2").status == 0
    assert known(lrtui, "name") == ["実行 №2"]


def test_an_empty_name_removes_the_name(lrtui: CommandLine) -> None:
    lrtui.record(10, name="old")
    assert lrtui("runs", "rename", "1", " ").status == 0
    assert known(lrtui, "name") == [None]


def test_a_shared_name_refers_to_the_newest_run(lrtui: CommandLine) -> None:
    lrtui.record(10, name="same")
    lrtui.record(10)
    assert "1 other run with that name: it refers to the newest" in lrtui("runs", "rename", "2", "same").err
    assert "#2 same" in lrtui("runs", "show", "same").lines[0]


@pytest.mark.parametrize("name", ["7", "#7", "1.5", "-3", "1e3", "last", "Last", " 12 "])
def test_a_name_that_could_be_an_id_is_refused(name: str, lrtui: CommandLine) -> None:
    lrtui.record(10, name="old")
    answer = lrtui("runs", "rename", "1", name)
    assert answer.status == 2
    assert "can't be a name: it would refer to" in answer.err
    assert known(lrtui, "name") == ["old"]


@pytest.mark.parametrize("name", ["a\x1b[31m", "two\nlines", "\u202e", "\udcff", "x" * 201])
def test_a_name_that_cannot_be_displayed_is_refused(name: str, lrtui: CommandLine) -> None:
    lrtui.record(10, name="old")
    assert lrtui("runs", "rename", "1", name).status == 2
    assert known(lrtui, "name") == ["old"]


@pytest.mark.parametrize("name", ["nan", "inf", "7b", "v1.5", "lasting"])
def test_other_names_are_accepted(name: str, lrtui: CommandLine) -> None:
    lrtui.record(10)
    assert lrtui("runs", "rename", "1", name).status == 0
    assert known(lrtui, "name") == [name]


def test_a_note_is_written_replaced_and_removed(lrtui: CommandLine) -> None:
    lrtui.record(10)
    assert lrtui("runs", "note", "1", "collapsed", "at 300").err == "#1: note written\n"
    assert known(lrtui, "note") == ["collapsed at 300"]
    assert lrtui("runs", "note", "1", "two\nlines \udcff").status == 0
    assert lrtui("runs", "show", "1").lines[1:3] == ["  two", "  lines \\udcff"]
    assert lrtui("runs", "note", "1", "").err == "#1: note removed\n"
    assert known(lrtui, "note") == [""]
    assert lrtui("runs", "note", "1", "x" * 10_001).status == 2


@pytest.mark.parametrize("arguments", [["rename", "7", "x"], ["note", "7", "x"], ["rename", "1"], ["note"]])
def test_a_usage_error_changes_nothing(arguments: list[str], lrtui: CommandLine) -> None:
    lrtui.record(10, name="old")
    assert lrtui("runs", *arguments).status == 2
    assert known(lrtui, "name") == ["old"]


@pytest.mark.parametrize("command", ["rename", "note", "delete"])
def test_a_missing_store_is_not_created(command: str, lrtui: CommandLine) -> None:
    assert lrtui("runs", command, "1", *(["x"] if command != "delete" else ["--yes"])).status == 1
    assert not lrtui.folder.exists()


def test_a_live_run_keeps_the_name_it_was_given(lrtui: CommandLine) -> None:
    events = recorded_run(100, outcome="done")
    writer = Writer(lrtui.folder, ignore)
    recorder = new_recorder(writer)
    for event in events[:50]:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    assert lrtui("runs", "rename", "1", "in flight").status == 0
    assert lrtui("runs", "note", "1", "a note").status == 0
    for event in events[50:]:
        recorder.publish(event)
    assert writer.close(SECONDS)
    connection = open_for_reading(lrtui.folder)
    assert connection.execute("SELECT name, note, state FROM runs").fetchall() == [("in flight", "a note", "done")]
    connection.close()
