"""Names and notes of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asked import Asking
from kept import begin, nobody
from recorded_runs import recorded_run

from lrtui.store.connection import open_for_reading
from lrtui.store.writer import Writer


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(tmp_path / "store", capsys)


def known(ask: Asking, column: str) -> list[str | None]:
    return [json.loads(line)[column] for line in ask("runs", "list", "--sort", "id", "--json").lines]


def test_a_run_is_renamed_and_found_by_its_new_name(ask: Asking) -> None:
    ask.keep(10, name="old")
    assert ask("runs", "rename", "old", "long", "warm-up").err == "#1 old: renamed to long warm-up\n"
    assert known(ask, "name") == ["long warm-up"]
    assert ask("runs", "rename", "long warm-up", "実行 №2").status == 0
    assert known(ask, "name") == ["実行 №2"]


def test_an_empty_name_takes_it_away(ask: Asking) -> None:
    ask.keep(10, name="old")
    assert ask("runs", "rename", "1", " ").status == 0
    assert known(ask, "name") == [None]


def test_of_one_name_the_newest_is_meant_and_that_is_said(ask: Asking) -> None:
    ask.keep(10, name="same")
    ask.keep(10)
    assert "1 other run of that name: it refers to the newest" in ask("runs", "rename", "2", "same").err
    assert "#2 same" in ask("runs", "show", "same").lines[0]


@pytest.mark.parametrize("name", ["7", "#7", "1.5", "-3", "1e3", "last", "Last", " 12 "])
def test_a_name_that_would_mean_another_run_is_refused(name: str, ask: Asking) -> None:
    ask.keep(10, name="old")
    answer = ask("runs", "rename", "1", name)
    assert answer.status == 2
    assert "can't be a name: it would refer to" in answer.err
    assert known(ask, "name") == ["old"]


@pytest.mark.parametrize("name", ["a\x1b[31m", "two\nlines", "\u202e", "\udcff", "x" * 201])
def test_a_name_that_could_not_be_shown_is_refused(name: str, ask: Asking) -> None:
    ask.keep(10, name="old")
    assert ask("runs", "rename", "1", name).status == 2
    assert known(ask, "name") == ["old"]


@pytest.mark.parametrize("name", ["nan", "inf", "7b", "v1.5", "lasting"])
def test_other_names_may_look_like_anything(name: str, ask: Asking) -> None:
    ask.keep(10)
    assert ask("runs", "rename", "1", name).status == 0
    assert known(ask, "name") == [name]


def test_a_note_is_written_replaced_and_taken_away(ask: Asking) -> None:
    ask.keep(10)
    assert ask("runs", "note", "1", "collapsed", "at 300").err == "#1: note written\n"
    assert known(ask, "note") == ["collapsed at 300"]
    assert ask("runs", "note", "1", "two\nlines \udcff").status == 0
    assert ask("runs", "show", "1").lines[1:3] == ["  two", "  lines \\udcff"]
    assert ask("runs", "note", "1", "").err == "#1: note removed\n"
    assert known(ask, "note") == [""]
    assert ask("runs", "note", "1", "x" * 10_001).status == 2


@pytest.mark.parametrize("words", [["rename", "7", "x"], ["note", "7", "x"], ["rename", "1"], ["note"]])
def test_words_that_are_off_change_nothing(words: list[str], ask: Asking) -> None:
    ask.keep(10, name="old")
    assert ask("runs", *words).status == 2
    assert known(ask, "name") == ["old"]


@pytest.mark.parametrize("command", ["rename", "note", "delete"])
def test_a_store_that_is_not_there_is_not_made(command: str, ask: Asking) -> None:
    assert ask("runs", command, "1", *(["x"] if command != "delete" else ["--yes"])).status == 1
    assert not ask.folder.exists()


def test_a_run_that_goes_on_keeps_the_name_it_was_given_meanwhile(ask: Asking) -> None:
    events = recorded_run(100, outcome="done")
    writer = Writer(ask.folder, nobody)
    recorder = begin(writer)
    for event in events[:50]:
        recorder.publish(event)
    assert recorder.commit(10)
    assert ask("runs", "rename", "1", "in flight").status == 0
    assert ask("runs", "note", "1", "a note").status == 0
    for event in events[50:]:
        recorder.publish(event)
    assert writer.close()
    connection = open_for_reading(ask.folder)
    assert connection.execute("SELECT name, note, state FROM runs").fetchall() == [("in flight", "a note", "done")]
    connection.close()
