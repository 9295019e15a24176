"""`lrtui code` and `lrtui runs code`: scripts on standard output, and `lrtui preview --run`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine
from generated_code import lrs_of
from recorded_runs import recorded_run
from store_runs import store_events
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.run.events import RunStarted
from lrtui.store.connection import transaction

SHORT = ["--epochs", "3", "--batches-per-epoch", "4"]


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, capsys)


def code_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["code", *arguments]) == 0
    return capsys.readouterr().out


def test_the_printed_code_has_the_lrs_of_the_preview(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["OneCycleLR(max_lr=0.1)", *SHORT, "--optimizer", 'AdamW(lr=0.01, groups={"fc*": {"lr": 0.1}})']
    code = code_of(arguments, capsys)
    assert main(["preview", *arguments, "--json"]) == 0
    assert lrs_of(code) == json.loads(capsys.readouterr().out)["lrs"]


def test_scripted_changes_are_in_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["--at", "epoch 2: lr*0.5", "--at", "step 6: StepLR(1, gamma=0.1) from current"]
    lrs = [lrs[0] for lrs in lrs_of(code_of(["ExponentialLR(0.5)", *SHORT, *lines], capsys))]
    assert lrs == pytest.approx([0.01] * 4 + [0.0025] * 4 + [0.00025] * 4)


def test_the_epoch_length_defaults_to_that_of_the_task(capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(["OneCycleLR(0.1)", "--epochs", "2", "--batch-size", "100"], capsys)
    assert "total_steps=1200" in code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["StepLr(3)"], "did you mean StepLR"),
        (["StepLR(3)", "--task", "own.py:Mine"], "set --batches-per-epoch"),
        (["CyclicLR(0.1, 0.2)", "--optimizer", "Adagrad()"], "add cycle_momentum=False"),
        (['LambdaLR("1 / (1 - epoch)")', *SHORT], "division by zero"),
        (["StepLR(3)", *SHORT, "--at", "step 12: lr*2"], "the run has 12 steps"),
        (["StepLR(3)", "--run", "last"], "No such option '--run'"),
    ],
)
def test_a_usage_error_prints_no_code(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code", *arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_writing_code_does_not_run_user_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of([f"{tmp_path / 'gone.py'}:Mine(3)", *SHORT], capsys)
    assert "from gone import Mine" in code
    assert "scheduler = Mine(optimizer, 3)" in code


# -- of stored runs ---------------------------------------------------------------------------------------------------


def test_the_code_of_a_stored_run_has_its_switch_and_its_nudge(lrtui: CommandLine) -> None:
    lrtui.record(330, switch_at=140, nudge_at=260, name="night\nimport os")
    answer = lrtui("runs", "code", "last")
    assert answer.status == 0
    assert "        if step == 140:\n" in answer.out
    assert "    260: " in answer.out
    # a name stays within its comment
    assert not any(line.startswith("import os") for line in answer.lines)
    assert len(lrs_of(answer.out)) == 500


def test_the_code_of_a_branch_starts_with_that_of_its_parent(lrtui: CommandLine) -> None:
    parent = store_events(lrtui.folder, recorded_run(330, switch_at=70, nudge_at=210))
    started = next(event for event in recorded_run(1) if isinstance(event, RunStarted))
    after = [event for event in recorded_run(300, switch_at=150) if event.step >= 150]
    branch_events = [
        replace(event, seq=number)
        for number, event in enumerate([replace(started, step=150, parent=str(parent)), *after])
    ]
    branch = store_events(lrtui.folder, branch_events)
    # only the parent's events before the checkpoint count: its nudge came later
    seq = max(event.seq for event in recorded_run(330, switch_at=70, nudge_at=210) if event.step < 150)
    with transaction(lrtui.folder) as connection:
        connection.execute(
            "UPDATE runs SET parent = ?, first_step = 150, branched_from = ? WHERE id = ?",
            (parent, f"{seq:010d}-step-150.pt", branch),
        )
    code = lrtui("runs", "code", str(branch)).out
    assert f"branched from run #{parent} after step 150" in code
    assert "if step == 70:" in code
    assert "if step == 150:" in code
    assert "210:" not in code
    assert len(lrs_of(code)) == 500
    lrtui.mark_lost(parent)
    assert lrtui("runs", "delete", str(parent), "--yes").status == 0
    code = lrtui("runs", "code", str(branch)).out
    assert "the run before step 150 is unknown" in code
    assert "for epoch in range(3, epochs):" in code
    assert len(lrs_of(code)) == 350


SWITCHED = ["--at", "step 7: PolynomialLR() from current"]


@pytest.mark.parametrize(
    ("more", "first", "second"),
    [
        (SWITCHED, "CosineAnnealingLR() from current", "StepLR(1, gamma=0.9) from start"),
        (SWITCHED, "StepLR(1, gamma=0.9) from start", "OneCycleLR(0.1) from current"),
        ([], "lr*0.5", "lr=0.001"),
    ],
)
def test_the_code_of_a_branch_of_a_branch_has_the_lrs_of_all_three_runs(
    more: list[str], first: str, second: str, lrtui: CommandLine
) -> None:
    arguments = ["ExponentialLR(0.5)", "--task", TINY, "--epochs", "5", "--batch-size", "16", "--quiet"]
    assert lrtui("train", *arguments, "--at", "step 3: lr*0.3", *more).status == 0
    assert lrtui("branch", "1", "--at-epoch", "2", first, "--quiet").status == 0
    assert lrtui("branch", "2", "--at-epoch", "3", second, "--quiet").status == 0
    expected: list[float] = []
    for run, end in [("1", 12), ("2", 18), ("3", 30)]:
        rows = [line.split(",") for line in lrtui("runs", "export", run).lines[1:]]
        expected += [float(row[5]) for row in rows if len(expected) <= int(row[0]) < end]
    assert len(expected) == 30
    assert [lrs[0] for lrs in lrs_of(lrtui("runs", "code", "3").out)] == expected


def test_the_code_of_a_run_that_was_resumed_has_the_lrs_of_the_whole(lrtui: CommandLine) -> None:
    arguments = ["OneCycleLR(max_lr=0.1)", "--task", TINY, "--epochs", "4", "--batch-size", "16", "--quiet"]
    assert (
        lrtui("train", *arguments, "--at", "step 5: lr*0.3", "--at", "step 9: stop", "--at", "step 20: undo").status
        == 0
    )
    stopped = lrs_of(lrtui("runs", "code", "1").out)
    assert lrtui("resume", "1", "--quiet").status == 0
    rows = [line.split(",") for line in lrtui("runs", "export", "1").lines[1:]]
    whole = lrs_of(lrtui("runs", "code", "1").out)
    assert whole == [[float(row[5])] for row in rows]
    # the remaining commands of its script were in the code of the stopped run
    assert stopped == whole


def test_a_run_that_has_not_started_has_no_code_yet(lrtui: CommandLine) -> None:
    store_events(lrtui.folder, recorded_run(1)[:2])
    answer = lrtui("runs", "code", "last")
    assert (answer.status, answer.out) == (2, "")
    assert "has not started" in answer.err


def test_an_unknown_run_is_a_usage_error(lrtui: CommandLine) -> None:
    lrtui.record()
    answer = lrtui("runs", "code", "7")
    assert (answer.status, answer.out) == (2, "")
    assert "there is no run" in answer.err


# -- what if ----------------------------------------------------------------------------------------------------------

PLATEAU = "ReduceLROnPlateau(factor=0.5, patience=0, threshold=0.3)"


def test_preview_uses_the_results_of_a_stored_run(lrtui: CommandLine) -> None:
    lrtui.record(500, outcome="done", epochs=10)
    answer = lrtui("preview", PLATEAU, "CosineAnnealingLR()", "--run", "last", "--json")
    assert answer.status == 0
    plateau, cosine = map(json.loads, answer.lines)
    assert len(plateau["lrs"]) == len(cosine["lrs"]) == 500
    assert cosine["schedule"] == "CosineAnnealingLR(T_max=10)"
    assert "cuts" not in cosine
    lrs = [lrs[0] for lrs in plateau["lrs"]]
    assert plateau["cuts"] == [epoch for epoch in range(1, 10) if lrs[epoch * 50] < lrs[epoch * 50 - 1]] != []
    arguments = ", ".join(map(str, plateau["cuts"]))
    assert f"over the test loss of run #1 it would have cut after epochs {arguments}" in answer.err


def test_preview_uses_the_results_so_far_of_an_unfinished_run(lrtui: CommandLine) -> None:
    lrtui.record(130)
    answer = lrtui("preview", PLATEAU, "--run", "last", "--json", "--optimizer", "SGD(lr=1.0)")
    assert json.loads(answer.out)["lrs"][0] == [1.0]
    assert "run #1 has results for 2 of 10 epochs; after them the schedule is held" in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "9"], "there is no run"),
        (["--run", "last", "--batch-size", "8"], "--batch-size can't be combined with --run"),
        (["--run", "last", "--batches-per-epoch", "8"], "--batches-per-epoch can't be combined with --run"),
        (["--run", "last", "--metrics", "x.csv"], "both are sources of test results"),
        ([], "--store needs --run"),
    ],
)
def test_options_that_contradict_the_run_are_refused(arguments: list[str], message: str, lrtui: CommandLine) -> None:
    lrtui.record()
    answer = lrtui("preview", PLATEAU, *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err


def test_limits_of_the_script_are_noted_at_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(["StepLR(3)", "--at", "epoch 3: lr=5 group=2", *SHORT], capsys)
    head = code.partition("import")[0].replace("\n# ", " ")
    assert "lr=5.0 group=2 at step 8 is refused: no parameter group 2" in head
    code = code_of(["StepLR(3)", "--at", "epoch 2: stop", *SHORT], capsys)
    assert "the script stops the run at step 4; this code continues to its end" in code.replace("\n# ", " ")


def test_a_schedule_that_follows_the_test_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the lr follows the test loss" in code_of(["ReduceLROnPlateau(patience=0)", *SHORT], capsys)
    assert "follows the test" not in code_of(["StepLR(3)", *SHORT], capsys)


def test_a_flag_that_training_refuses_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["code", "StepLR(2)", *SHORT, "--optimizer", "Adam(lr=0.01, differentiable=True)"]) == 2
    assert "differentiable=True needs a loop that differentiates through the step" in capsys.readouterr().err


def test_a_flag_that_needs_a_device_is_noted_in_the_head_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(["StepLR(2)", *SHORT, "--optimizer", "Adam(lr=0.01, capturable=True)"], capsys)
    assert "# capturable=True: PyTorch refuses it on the CPU, so move the model to a CUDA device first" in code
    assert "capturable" not in code_of(["StepLR(2)", *SHORT], capsys)
