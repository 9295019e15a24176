"""`lrtui suggest`: the suggested line and the reasons for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import CommandLine
from training_runs import TINY

from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.run.lr_rules import Suggestions
from lrtui.schedules.notation import parse_optimizer, parse_schedule

SETTINGS = ("--task", TINY, "--batch-size", "16", "--epochs", "4")


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def find_as(monkeypatch: pytest.MonkeyPatch, lr: float) -> None:
    """Replace the range test by one that finds this lr immediately."""
    range_test = RangeTestResult(lr, Suggestions({"steepest": lr, "valley": 1.2 * lr}), 5, 6)
    monkeypatch.setattr("lrtui.cli.suggest.find_lr", lambda *_: range_test)


def test_the_output_is_one_line_that_train_accepts(lrtui: CommandLine) -> None:
    answer = lrtui("suggest", *SETTINGS, "--epochs", "10", "--budget", "3")
    assert answer.status == 0, answer.err
    (line,) = answer.lines
    schedule, _, optimizer = line.partition(" --optimizer ")
    parse_schedule(schedule)
    if optimizer:
        parse_optimizer(optimizer.strip("'"))
    for text in ("range test:", "full run, 10 epochs", "spent: ", "confidence: "):
        assert text in answer.err


def test_a_changed_optimizer_is_part_of_the_suggestion(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    find_as(monkeypatch, 0.02)
    answer = lrtui("suggest", *SETTINGS, "--budget", "2", "--json")
    record = json.loads(answer.out)
    assert record["lr"] == 0.02
    assert record["in_full"]["state"] == "done"
    assert record["spent"] <= record["budget"] == 2
    # the suggested schedule is the winner, which raced with the suggested optimizer
    winner = record["rounds"][-1]["placings"][0]["label"]
    assert record["schedule"] in winner
    assert (record["optimizer"] != "Adam(lr=0.01)") == (" on " in winner)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "0"], "--budget must be a number of full runs above 0 and at most 1,000, such as 2, not '0'"),
        (["--budget", "inf"], "at most 1,000, such as 2, not 'inf'"),
        (["--budget", "-1"], "above 0"),
        (["--budget", "1e9"], "at most 1,000"),
        (["--budget", "much"], "--budget must be a number of full runs"),
        (["Foo()"], "unknown schedule Foo"),
        (["--at", "epoch 2: lr*0.5"], "--at can't be used with suggest"),
        (["--task", "nowhere"], "unknown task 'nowhere'"),
        (["--processes", "0"], "--processes takes"),
    ],
)
def test_usage_errors_are_reported(arguments: list[str], message: str, lrtui: CommandLine) -> None:
    answer = lrtui("suggest", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert answer.out == ""
    assert not lrtui.folder.exists()


def test_an_error_in_the_task_is_reported(lrtui: CommandLine) -> None:
    answer = lrtui("suggest", "--task", TINY.replace(":Tiny", ":Breaks"), "--batch-size", "16", "--epochs", "2")
    assert answer.status == 1
    assert "this loss is broken" in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def test_the_races_are_stored(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    find_as(monkeypatch, 0.02)
    assert lrtui("suggest", *SETTINGS, "--quiet").status == 0
    report = lrtui("race", "--report", "1")
    assert report.status == 0
    assert "your own ExponentialLR(gamma=0.1)" in report.out
