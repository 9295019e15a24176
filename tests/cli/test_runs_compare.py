"""`lrtui runs compare`: differences, results and a chart."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from command_line import CommandLine, without_accuracy
from store_runs import ignore, new_recorder
from waiting import SECONDS

from lrtui.run.events import EvalDone, Event, StepDone
from lrtui.store.writer import Writer


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def better(event: Event) -> Event:
    if isinstance(event, EvalDone) and event.accuracy is not None:
        return replace(event, accuracy=round(event.accuracy + 0.01, 4))
    return event


@pytest.fixture
def two(lrtui: CommandLine) -> CommandLine:
    lrtui.record(500, name="base", outcome="done", schedule="StepLR(step_size=1, gamma=0.5)")
    lrtui.record(
        320, name="more", outcome="stopped", schedule="OneCycleLR(max_lr=0.003)", seed=3, edit=better, switch_at=120
    )
    return lrtui


def test_differences_come_first_then_results_with_the_best_marked(two: CommandLine) -> None:
    lines = two("runs", "compare", "base", "more").lines
    assert lines[0] == "#1 base: ✓ done, StepLR(step_size=1, gamma=0.5), 500 steps, 20s"
    assert lines[3:8] == [
        "settings that differ",
        "  schedule  #1  StepLR(step_size=1, gamma=0.5)",
        "            #2  OneCycleLR(max_lr=0.003)",
        "  seed      #1  0",
        "            #2  3",
    ]
    assert "  #2  step 120: switched to CosineAnnealingLR(T_max=6) from base: lr 0.003" in lines
    at_epochs = lines.index("test accuracy at equal epochs")
    assert lines[at_epochs + 1 : at_epochs + 4] == [
        "  epoch      #1       #2",
        "      1  0.7784  0.7884*",
        "      2  0.8380  0.8480*",
    ]
    assert lines[at_epochs + 7] == "      6  0.9176  0.9276*"
    assert lines[at_epochs + 8].split() == ["7", "0.9225", "—"]
    assert lines.index("test accuracy at equal seconds") < lines.index("last and best results on the test set")
    assert "test accuracy" in lines[lines.index("last and best results on the test set") + 4 :]
    assert lines[-2:] == ["o #1 base StepLR(step_size=1, gamma=0.5)", "x #2 more CosineAnnealingLR(T_max=6)"]


def test_the_json_has_the_whole_comparison(two: CommandLine) -> None:
    record = json.loads(two("runs", "compare", "2", "1", "--json").out)
    assert [run["id"] for run in record["runs"]] == [2, 1]
    assert record["settings"]["seed"] == [3, 0]
    assert record["by_epoch"]["accuracy"]["1"] == {"values": [0.7884, 0.7784], "best": [0]}
    assert record["final"]["accuracy"]["values"] == [0.9276, 0.9283]
    assert record["best_epochs"]["accuracy"] == [6, 10]


def test_step_metrics_have_a_table_of_their_means(lrtui: CommandLine) -> None:
    for factor in (1, 2):
        lrtui.record(100, edit=partial(with_norm, factor=factor))
    lines = lrtui("runs", "compare", "1", "2").lines
    at = lines.index("mean grad_norm of the steps at equal epochs")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["epoch", "#1", "#2"],
        ["1", "1.0000", "2.0000"],
        ["2", "2.0000", "4.0000"],
    ]
    record = json.loads(lrtui("runs", "compare", "1", "2", "--json").out)
    assert record["step_metrics"]["grad_norm"]["2"] == {"values": [2.0, 4.0], "best": []}


def with_norm(event: Event, factor: float) -> Event:
    return replace(event, metrics={"grad_norm": factor * event.epoch}) if isinstance(event, StepDone) else event


def test_without_accuracies_the_losses_are_drawn(lrtui: CommandLine) -> None:
    for seed in (1, 2):
        lrtui.record(200, edit=without_accuracy, seed=seed)
    lines = lrtui("runs", "compare", "1", "2").lines
    assert "test loss" in lines
    assert "test mae at equal epochs" in lines
    assert not any("accuracy" in line for line in lines)


def test_runs_without_a_test_are_compared_in_their_settings(lrtui: CommandLine) -> None:
    for seed in (1, 2):
        lrtui.record(20, seed=seed)
    writer = Writer(lrtui.folder, ignore)
    new_recorder(writer)
    answer = lrtui("runs", "compare", "1", "2", "3")
    assert answer.status == 0
    assert "  seed  #1  1" in answer.lines
    assert "        #3  —" in answer.lines
    assert "no test results yet" in answer.lines
    assert writer.close(SECONDS)


def test_long_runs_are_shown_at_round_epochs_and_whole_in_the_json(lrtui: CommandLine) -> None:
    for seed in (1, 2):
        lrtui.record(50 * 130, seed=seed, epochs=130)
    lines = lrtui("runs", "compare", "1", "2").lines
    start = lines.index("test accuracy at equal epochs") + 2
    rows = lines[start : lines.index("", start)]
    assert [int(row.split()[0]) for row in rows] == [1, 20, 40, 60, 80, 100, 120, 130]
    record = json.loads(lrtui("runs", "compare", "1", "2", "--json").out)
    assert len(record["by_epoch"]["accuracy"]) == 130


def test_many_runs_are_tables_below_each_other_on_a_terminal(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(9):
        lrtui.record(100, seed=seed)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    answer = lrtui("runs", "compare", *map(str, range(1, 10)))
    assert answer.status == 0
    start = answer.lines.index("test accuracy at equal epochs")
    table = answer.lines[start : answer.lines.index("", start)]
    assert max(map(len, table)) <= 80
    assert [line.split()[1:] for line in table if "epoch " in line] == [
        [f"#{run}" for run in part] for part in ((1, 2, 3, 4, 5), (6, 7, 8, 9))
    ]


@pytest.mark.parametrize("arguments", [["base"], ["base", "1"], ["base", "base"]])
def test_a_comparison_needs_two_runs(arguments: list[str], two: CommandLine) -> None:
    answer = two("runs", "compare", *arguments)
    assert answer.status == 2
    assert "two different runs" in answer.err


def test_an_unknown_run_is_refused(two: CommandLine) -> None:
    assert two("runs", "compare", "base", "unknown").status == 2
