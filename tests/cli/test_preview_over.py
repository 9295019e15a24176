"""`lrtui preview --over`: schedules beside the lr that a run has recorded."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from attached_runs import UNKNOWN_LENGTH, attached_run
from command_line import CommandLine
from store_runs import store_events

HALVED = "StepLR(step_size=1, gamma=0.5)"
"""The schedule whose lr `recorded_run` has."""


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, capsys)


def test_a_schedule_that_the_run_followed_agrees_with_every_step(lrtui: CommandLine) -> None:
    lrtui.record(500, outcome="done", epochs=10)
    answer = lrtui("preview", HALVED, "ConstantLR(factor=1.0)", "--over", "last", "--json")
    assert answer.status == 0
    recorded, halved, constant = map(json.loads, answer.lines)
    assert (recorded["recorded"], recorded["run"]) == ("run #1", 1)
    assert recorded["steps"] == list(range(500))
    assert recorded["lrs"][50] == [0.005]
    assert halved["over"] == [
        {
            "points": 500,
            "agreeing": 1.0,
            "mean": 0.0,
            "largest_absolute": 0.0,
            "absolute_step": 0,
            "largest_relative": 0.0,
            "relative_step": 0,
            "offset": 0,
        }
    ]
    (over,) = constant["over"]
    assert over["agreeing"] == 0.1
    assert over["largest_absolute"] == pytest.approx(0.01 - 0.01 * 0.5**9)
    assert over["largest_relative"] == pytest.approx(1 - 0.5**9)
    assert over["relative_step"] == over["absolute_step"] == 450
    assert over["mean"] == pytest.approx(0.01 * (1 - 0.5**10) * 2 / 10 - 0.01)
    assert "over run #1: lr recorded at 500 of 500 steps, 50 per epoch" in answer.err


def test_the_chart_says_how_far_each_schedule_is_from_the_record(lrtui: CommandLine) -> None:
    lrtui.record(500, outcome="done", epochs=10)
    answer = lrtui("preview", HALVED, "ConstantLR(factor=1.0)", "--over", "1")
    assert "recorded\n  lr: first 0.01 at step 0, peak 0.01 at step 0, last 1.953e-05 at step 499" in answer.out
    assert "  agrees with all 500 recorded points\n" in answer.out
    assert "agrees with 10.0 % of 500 recorded points within 1e-6; differs by up to 99.8 % at step 450" in answer.out
    assert "the recorded lr is 0.008002 lower on average" in answer.out


def test_a_run_that_is_not_over_is_compared_at_its_steps_so_far(lrtui: CommandLine) -> None:
    lrtui.record(130, epochs=10)
    recorded, halved = map(json.loads, lrtui("preview", HALVED, "--over", "last", "--json").lines)
    assert len(recorded["steps"]) == 130
    assert len(halved["lrs"]) == 500
    assert (halved["over"][0]["points"], halved["over"][0]["agreeing"]) == (130, 1.0)


def test_csv_has_the_recorded_lr_beside_the_schedules(lrtui: CommandLine) -> None:
    lrtui.record(130, epochs=3, groups=2)
    optimizer = 'Adam(lr=0.01, groups={"fc*": {"lr": 0.001}})'
    answer = lrtui("preview", HALVED, "--over", "last", "--csv", "--optimizer", optimizer)
    rows = list(csv.reader(io.StringIO(answer.out)))
    assert rows[0] == ["step", "epoch", "batch", "recorded [0]", "recorded [1]", f"{HALVED} [0]", f"{HALVED} [1]"]
    assert rows[51] == ["50", "2", "0", "0.005", "0.0005", "0.005", "0.0005"]
    assert rows[150][:5] == ["149", "3", "49", "", ""]


def test_without_a_schedule_the_recorded_lr_alone_is_shown(lrtui: CommandLine) -> None:
    lrtui.record(100, outcome="done", epochs=2)
    answer = lrtui("preview", "--over", "last")
    assert (answer.status, answer.out.count("first 0.01")) == (0, 1)
    answer = lrtui("preview", "--over", "last", "--csv")
    assert answer.lines[0] == "step,epoch,batch,recorded"
    assert answer.lines[-1] == "99,2,49,0.005"


def test_a_script_of_unknown_length_is_compared_with_the_length_that_is_given(lrtui: CommandLine) -> None:
    store_events(lrtui.folder, attached_run(500, UNKNOWN_LENGTH, has_length=False, outcome="done"), UNKNOWN_LENGTH)
    answer = lrtui("preview", HALVED, "--over", "last", "--json")
    assert (answer.status, answer.out) == (2, "")
    assert "give --batches-per-epoch N or --epochs N" in answer.err
    for given in (["--batches-per-epoch", "50"], ["--epochs", "10"]):
        answer = lrtui("preview", HALVED, "--over", "last", "--json", *given)
        assert json.loads(answer.lines[1])["over"][0]["agreeing"] == 1.0
        assert f"50 per epoch (from {given[0]})" in answer.err
    answer = lrtui("preview", "ExponentialLR(gamma=0.99, per='batch')", "--over", "last")
    assert answer.status == 0
    assert answer.out.splitlines()[-1].strip().startswith("agrees with")
    assert " step\n" in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--over", "9"], "there is no run"),
        (["--over", "last", "--run", "last"], "--run is not allowed with --over"),
        (["--over", "last", "--batch-size", "8"], "--batch-size can't be combined with --over"),
        (["--over", "last", "--batches-per-epoch", "8"], "whose epochs have 50 steps"),
        (["--over", "last", "--metrics", "x.csv"], "both are sources of test results"),
    ],
)
def test_options_that_contradict_the_run_are_refused(arguments: list[str], message: str, lrtui: CommandLine) -> None:
    lrtui.record()
    answer = lrtui("preview", HALVED, *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
