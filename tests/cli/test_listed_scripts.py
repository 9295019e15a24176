"""Runs of scripts on the command line: only what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attached_runs import SCRIPT_SPEC, UNKNOWN_LENGTH, attached_run
from command_line import CommandLine
from store_runs import store_events

from lrtui.__main__ import main


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line with a store of two scripts' runs: one of known length, one of unknown length."""
    folder = tmp_path / "store"
    monkeypatch.setenv("LRTUI_STORE", str(folder))
    store_events(folder, attached_run(500, outcome="done"), SCRIPT_SPEC)
    store_events(folder, attached_run(120, UNKNOWN_LENGTH, has_length=False, outcome="stopped"), UNKNOWN_LENGTH)
    return CommandLine(folder, capsys)


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("lrtui")
def test_the_list_has_no_settings_that_a_script_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    table = output(capsys, "runs", "list").splitlines()
    assert ("120/?" in table[1], "10/10" in table[2]) == (True, True)
    unknown, known = map(json.loads, output(capsys, "runs", "list", "--json").splitlines())
    for run in (unknown, known):
        assert (run["batch_size"], run["seed"], run["precision"], run["task"]) == (None, None, None, "script:train.py")
    assert (known["epochs"], known["total_steps"]) == (10, 500)
    assert (unknown["epochs"], unknown["total_steps"]) == (None, None)
    assert len(output(capsys, "runs", "list", "batch_size=64").splitlines()) <= 1


@pytest.mark.usefixtures("lrtui")
def test_the_page_of_a_run_has_only_the_settings_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    page = output(capsys, "runs", "show", "2")
    assert page.startswith("#2: ■ stopped, 120 of ? epochs, 120 steps")
    settings = page.partition("settings\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in settings] == ["schedule", "task", "optimizer"]
    assert "nan" not in page


@pytest.mark.usefixtures("lrtui")
def test_a_comparison_names_no_settings_that_are_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "runs", "compare", "1", "2").partition("settings that differ\n")[2].splitlines()
    assert [line.split()[0] for line in lines[: lines.index("")]] == ["schedule", "#2"]
