from __future__ import annotations

import csv
import io
import json
import sys

import pytest

from lrtui.__main__ import main

SHORT = ["--epochs", "3", "--batches-per-epoch", "4"]


def test_json_has_every_batch_of_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["preview", "CosineAnnealingLR()", "ExponentialLR(0.5)", *SHORT, "--json"]
    assert main([*arguments, "--optimizer", 'SGD(lr=0.1, groups={"fc*": {"lr": 0.01}})']) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(records[0]) == ["schedule", "per", "filled_in", "lrs"]
    assert records[0]["schedule"] == "CosineAnnealingLR(T_max=3)"
    assert records[0]["filled_in"] == {"T_max": 3}
    assert records[1]["lrs"][::4] == [[0.1, 0.01], [0.05, 0.005], [0.025, 0.0025]]
    assert len(records[1]["lrs"]) == 12


def test_lrs_that_are_not_finite_are_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ExponentialLR(1e300)", "--epochs", "3", "--batches-per-epoch", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lrs"] == [[0.01], [0.01 * 1e300], [None]]


def test_csv_has_a_column_per_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ExponentialLR(0.5)", "OneCycleLR(0.1)", *SHORT, "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["step", "epoch", "batch", "ExponentialLR(gamma=0.5)", "OneCycleLR(max_lr=0.1, total_steps=12)"]
    assert rows[5][:4] == ["4", "2", "0", "0.005"]
    assert len(rows) == 13


def test_the_chart_is_printed_with_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ExponentialLR(gamma=0.1)", "StepLR(1)", *SHORT]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "lr: first 0.01, peak 0.01 at step 0, last 0.0001" in text
    assert "at the start of each epoch: 0.01  0.001  0.0001" in text
    # (1 + 0.1 + 0.01) / 3; a hundredth of the peak is not below it
    assert text.count("mean lr 37.0 % of 0.01; 0.0 % of the steps below 1 % of the peak") == 2


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_has_colours_unless_no_color_is_set(
    no_color: str, coloured: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", no_color)
    assert main(["preview", "StepLR(1)", *SHORT]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is coloured


def test_a_terminal_without_braille_still_has_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", latin)
    assert main(["preview", "StepLR(1)", "ExponentialLR(0.5)", *SHORT]) == 0
    assert b"lr: first 0.01, peak 0.01 at step 0, last 0.0001" in latin.buffer.getvalue()  # type: ignore[attr-defined]


def test_the_case_study_is_previewed_without_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ExponentialLR(gamma=0.1)", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["lrs"]) == 9380


@pytest.mark.parametrize("schedule", ["LambdaLR('-1e30 * epoch')", "LambdaLR('0')", "ConstantLR(factor=1e-320)"])
def test_extreme_lrs_are_drawn(schedule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", schedule, *SHORT]) == 0
    assert capsys.readouterr().out


def test_a_plateau_schedule_reports_that_it_needs_a_metric(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "ReduceLROnPlateau()", *SHORT, "--json"]) == 0
    assert "follows the test loss" in capsys.readouterr().err
