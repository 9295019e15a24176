"""`lrtui resume` and `lrtui branch`: what is checked before training, and the schedule in force afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Answer, CommandLine
from training_runs import TINY


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


SHORT = ("--task", TINY, "--batch-size", "16", "--quiet")


def train(lrtui: CommandLine, schedule: str, epochs: int, *options: str) -> Answer:
    answer = lrtui("train", schedule, "--epochs", str(epochs), *SHORT, *options)
    assert answer.status == 0, answer.err
    return answer


def test_an_extended_run_is_checked_over_its_new_length(lrtui: CommandLine) -> None:
    train(lrtui, 'LambdaLR("1 - epoch / 4")', 4)
    answer = lrtui("resume", "last", "--epochs", "6", "--quiet")
    assert answer.status == 0
    assert "check: negative: the lr is negative from epoch 6 on" in answer.err


def test_the_added_epochs_of_a_script_are_checked_before_the_first_step(lrtui: CommandLine) -> None:
    answer = train(lrtui, 'LambdaLR("1 - epoch / 4")', 4, "--at", "epoch 2: extend 3")
    assert "check: negative: the lr is negative from epoch 6 on" in answer.err


def test_an_lr_of_0_in_the_added_epochs_is_reported_and_can_not_be_scaled(lrtui: CommandLine) -> None:
    train(lrtui, "PolynomialLR(total_iters=2)", 2)
    refused = lrtui("resume", "last", "--epochs", "4", "--lr", "0.001", "--quiet")
    assert refused.status == 2
    assert "the schedule's lr is 0 at this point" in refused.err
    assert "2/2" in lrtui("runs", "list").out
    answer = lrtui("resume", "last", "--epochs", "4", "--quiet")
    assert answer.status == 0
    assert "check: dead-tail: from epoch 3 on the lr is exactly 0" in answer.err


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_a_schedule_that_fails_in_the_added_epochs_is_refused_before_the_data_is_loaded(
    options: tuple[str, ...], lrtui: CommandLine
) -> None:
    train(lrtui, 'CyclicLR(base_lr=0.001, max_lr=0.01, step_size_up=1, mode="triangular2")', 2)
    refused = lrtui("resume", "last", "--epochs", "400", *options)
    assert refused.status == 2
    assert "set another schedule with --schedule" in refused.err
    assert "data:" not in refused.err
    assert "done" in lrtui("runs", "list").out


def test_fewer_epochs_than_the_run_has_are_refused_before_the_data_is_loaded(lrtui: CommandLine) -> None:
    train(lrtui, "StepLR(2)", 3)
    refused = lrtui("resume", "last", "--epochs", "2", "--quiet")
    assert refused.status == 2
    assert refused.err.strip() == "lrtui resume: #1 has 3 epochs already; --epochs can only extend it"


def test_a_resumed_run_is_listed_with_the_schedule_in_force(lrtui: CommandLine) -> None:
    switch = ("--at", "epoch 2: ExponentialLR(gamma=0.5) from base", "--at", "epoch 3: stop")
    train(lrtui, "StepLR(2)", 4, *switch)
    answer = lrtui("resume", "last")
    assert "schedule: ExponentialLR(gamma=0.5)" in answer.err
    assert "ExponentialLR(gamma=0.5)" in lrtui("runs", "list").out
    assert "now ExponentialLR(gamma=0.5)" in lrtui("runs", "show", "1").out


def test_a_branch_from_an_lr_of_0_is_refused_and_names_the_anchor_to_use(lrtui: CommandLine) -> None:
    train(lrtui, "PolynomialLR(total_iters=2)", 4)
    refused = lrtui("branch", "last", "--at-epoch", "3", "CosineAnnealingLR() from current", "--quiet")
    assert refused.status == 2
    assert "switch from base instead" in refused.err
    assert len(lrtui("runs", "list").lines) == 2


def test_the_schedule_of_a_branch_is_checked_over_the_rest_of_the_run(lrtui: CommandLine) -> None:
    train(lrtui, "ConstantLR(factor=1.0)", 4)
    answer = lrtui("branch", "last", "--at-epoch", "1", 'LambdaLR("1 - epoch")', "--quiet")
    assert answer.status == 0
    assert "check: negative: the lr is negative from epoch 4 on" in answer.err
    answer = lrtui("branch", "1", "--at-epoch", "1", "CosineAnnealingLR()", "--quiet")
    assert "check: " not in answer.err


def test_a_damaged_checkpoint_names_the_intact_one_before_it(lrtui: CommandLine) -> None:
    train(lrtui, "StepLR(2)", 3, "--at", "epoch 3: stop")
    newest = max((lrtui.folder / "checkpoints" / "1").iterdir())
    newest.write_bytes(newest.read_bytes()[:-100])
    refused = lrtui("resume", "1")
    assert refused.status == 1
    assert "is intact: lrtui resume 1 --from-step 6" in refused.err
    # the damaged one would be refused again
    assert "continues from its last checkpoint" not in refused.err
    # the script stops the run again, with a new checkpoint
    assert lrtui("resume", "1", "--from-step", "6", "--quiet").status == 0
    assert lrtui("resume", "1", "--quiet").status == 0
    assert "3/3" in lrtui("runs", "list").out


def test_a_step_without_a_checkpoint_is_refused_with_those_that_have_one(lrtui: CommandLine) -> None:
    train(lrtui, "StepLR(2)", 2)
    refused = lrtui("resume", "1", "--epochs", "3", "--from-step", "7")
    assert refused.status == 2
    assert "#1 has no checkpoint of step 7; available: 6, 12" in refused.err


def test_resume_and_branch_notify_at_the_end_as_train_does(lrtui: CommandLine) -> None:
    train(lrtui, "ConstantLR(factor=1.0)", 2)
    resumed = lrtui("resume", "last", "--epochs", "3", "--quiet", "--notify", "/no/such")
    assert resumed.status == 0
    assert resumed.err.count("--notify /no/such: ") == 1
    branched = lrtui("branch", "1", "--at-epoch", "1", "StepLR(1)", "--quiet", "--notify", "/no/such")
    assert branched.status == 0
    assert branched.err.count("--notify /no/such: ") == 1
