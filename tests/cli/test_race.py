"""`lrtui race`: text, reports, and going on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from asked import Asking
from driving import TINY

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)")
SETTINGS = ("--task", TINY, "--batch-size", "16", "--epochs", "2", "--seeds", "2")


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(tmp_path / "store", capsys)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "at least two schedules"),
        (["StepLR(3)"], "at least two schedules"),
        (["StepLR(3)", "StepLR(step_size=3)"], "given twice"),
        (["StepLR(3)", "Foo(3)"], "unknown schedule Foo"),
        (["StepLR(3)", "ConstantLR() on Adamm()"], "did you mean Adam"),
        (["StepLR(3)", "ConstantLR() on "], "expected an optimizer after `on`"),
        (["StepLR(3)", "ConstantLR()", "--seeds", "0"], "--seeds takes a whole number of at least 1"),
        (["StepLR(3)", "ConstantLR()", "--processes", "x"], "--processes takes"),
        (["StepLR(3)", "ConstantLR()", "--target", "high"], "--target takes"),
        (["StepLR(3)", "ConstantLR()", "--task", "nowhere"], "unknown task 'nowhere'"),
        (["StepLR(3)", "--resume", "1"], "give its number alone"),
        (["--resume"], "no races in the store"),
        (["--report", "last"], "no races in the store"),
        (["--resume", "last", "--report", "last"], "not allowed with"),
    ],
)
def test_words_that_are_off_are_refused_before_anything_is_kept(text: list[str], said: str, ask: Asking) -> None:
    answer = ask("race", *text)
    assert answer.status == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert not ask.folder.exists()


def test_a_race_has_to_be_kept(capsys: pytest.CaptureFixture[str]) -> None:
    from lrtui.__main__ import main

    assert main(["race", *SCHEDULES, "--store", "none"]) == 1
    assert "instead of --store none" in capsys.readouterr().err


def test_a_race_ends_with_a_table_a_chart_and_what_it_means(ask: Asking, tmp_path: Path) -> None:
    answer = ask("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path / "race.md"))
    assert answer.status == 0
    assert answer.lines[0].startswith("race 1: 2 schedules, 2 seeds")
    ranks = [line.split()[0] for line in answer.lines[3:5]]
    assert ranks == ["1", "2"]
    assert "baseline" in answer.out
    assert "test accuracy by epoch" in answer.out
    assert any(f"x {SCHEDULES[1]}" == line for line in answer.lines)
    assert "with its 95 % interval" in answer.out
    # progress is narration
    assert "epoch 2/2" in answer.err
    assert "epoch 2/2" not in answer.out
    markdown = (tmp_path / "race.md").read_text()
    assert f"`{SCHEDULES[0]}`" in markdown
    assert markdown.startswith("### race 1")


def test_a_race_that_is_over_is_shown_and_not_run_again(ask: Asking) -> None:
    first = ask("race", *SCHEDULES, *SETTINGS, "--json")
    assert first.status == 0
    for text in (("--report",), ("--report", "1"), ("--resume", "last")):
        again = ask("race", *text, "--json")
        assert again.status == 0
        assert again.out == first.out
        assert "epoch" not in again.err
    assert len(ask("runs", "list").lines) == 1 + 4


def test_json_is_an_object_a_line(ask: Asking) -> None:
    answer = ask("race", *SCHEDULES, *SETTINGS, "--json", "--quiet", "--target", "0.5")
    records = [json.loads(line) for line in answer.lines]
    assert [record["record"] for record in records] == ["run"] * 4 + ["schedule"] * 2 + ["race"]
    assert {record["state"] for record in records[:4]} == {"done"}
    assert records[-1]["target"] == 0.5
    assert records[-1]["reference"] == SCHEDULES[0]
    ranked = sorted(records[4:6], key=lambda record: record["rank"])
    assert ranked[0]["mean"] >= ranked[1]["mean"]
    assert ranked[0]["label"] == records[-1]["winner"]
    assert answer.err == ""


def test_the_same_words_go_on_with_a_race_that_broke_off(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.analysis.race.race.Race.run", lambda self: None)
    assert ask("race", *SCHEDULES, *SETTINGS).status == 0
    monkeypatch.undo()
    monkeypatch.setenv("LRTUI_STORE", "none")
    again = ask("race", *SCHEDULES, *SETTINGS)
    assert "race 1 was interrupted and continues" in again.err
    # over now: the same text begin anew, and so does --new
    assert "race 2: 4 runs" in ask("race", *SCHEDULES, *SETTINGS).err


def test_new_begins_anew(ask: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.analysis.race.race.Race.run", lambda self: None)
    ask("race", *SCHEDULES, *SETTINGS)
    assert "race 2: 4 runs" in ask("race", *SCHEDULES, *SETTINGS, "--new").err


def test_where_all_diverge_the_status_says_so(ask: Asking) -> None:
    text = ("ConstantLR() on SGD(lr=1e30)", "StepLR(3) on SGD(lr=1e30)")
    answer = ask("race", *text, *SETTINGS)
    assert answer.status == 3
    assert "diverged" in answer.out
    assert "no schedule is ranked" in answer.out


def test_what_is_wrong_with_the_task_is_said_once(ask: Asking) -> None:
    answer = ask("race", *SCHEDULES, "--task", TINY.replace(":Tiny", ":Breaks"), "--batch-size", "16", "--epochs", "1")
    assert "this loss is broken" in answer.err
    assert answer.status == 1
    assert "Traceback" not in answer.err


def test_a_markdown_file_that_can_not_be_written_is_told_of_and_the_race_is_not_lost(
    ask: Asking, tmp_path: Path
) -> None:
    nowhere = ask("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path / "no" / "race.md"))
    assert nowhere.status == 2
    assert "there is no such folder" in nowhere.err
    assert not ask.folder.exists()
    answer = ask("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path))
    assert answer.status == 1
    assert "lrtui race --report 1 --markdown FILE writes it again" in answer.err
    assert ask("race", "--report", "--markdown", str(tmp_path / "race.md")).status == 0
    assert (tmp_path / "race.md").read_text().startswith("### race 1")
