"""`lrtui check`, and the findings that `lrtui train` prints at the start of a run."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.analysis.checks.traps import TRAPS
from lrtui.cli.exit_codes import SIGNALS
from lrtui.cli.run_findings import course_lines
from lrtui.schedules.forecast import ForecastRequest

CODES = [trap.code for trap in TRAPS]


def test_no_findings_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "OneCycleLR(max_lr=0.003)"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "OneCycleLR(max_lr=0.003): ✓ no findings\n"


def test_a_finding_is_printed_with_its_fix_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ExponentialLR(gamma=0.1)"]) == 1
    out, _ = capsys.readouterr()
    assert out.splitlines()[0].startswith("dead-tail: from epoch 4 on")
    assert out.splitlines()[1] == "  better: ExponentialLR(gamma=0.6)"


def test_the_findings_of_several_schedules_are_listed_below_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "ExponentialLR(gamma=0.1)", "CosineAnnealingLR()", "ExponentialLR(gamma=0.2)"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "ExponentialLR(gamma=0.1)"
    assert lines[1].startswith("  dead-tail: from epoch 4 on")
    assert lines[2] == "    better: ExponentialLR(gamma=0.6)"
    assert lines[3] == "ExponentialLR(gamma=0.2)"
    assert lines[4].startswith("  dead-tail: ")
    assert "CosineAnnealingLR(): ✓ no findings" in err


def test_json_prints_one_object_per_finding(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "CosineAnnealingLR(T_max=3)", "--epochs", "30", "--batches-per-epoch", "50", "--json"]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert list(found) == ["code", "message", "fix", "schedule"]
    assert found["schedule"] == "CosineAnnealingLR(T_max=3)"
    assert found["code"] == "goes-up-again"


@pytest.mark.parametrize("code", [*CODES, "list"])
def test_every_code_is_explained(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain", code]) == 0
    out = capsys.readouterr().out
    assert len(out) > 80
    # indented notation is for copying and is not wrapped
    assert max(len(line) for line in out.splitlines() if not line.startswith(" ")) <= 100


def test_without_a_known_code_all_codes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--explain"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == CODES
    assert main(["check", "--explain", "xyzzy"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[: len(listed)] == listed
    assert "unknown code 'xyzzy'" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "a schedule is needed"),
        (["check", "--explain", "dead-tial"], "did you mean dead-tail"),
        (["check", "StepLR(3)", "--explain", "dead-tail"], "no schedule"),
        (["check", "StepLR("], "StepLR("),
        (["check", "StepLR(3)", "--epochs", "99999", "--batches-per-epoch", "9999"], "too many to check"),
    ],
)
def test_usage_errors(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_missing_class_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere.py:Mine()"]) == 2
    assert "there is no file nowhere.py" in capsys.readouterr().err


def test_accumulated_batches_are_taken_into_account(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["check", "OneCycleLR(max_lr=0.003, total_steps=9380)"]
    assert main([*arguments, "--json"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*arguments, "--accumulate", "4", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["code"], found["fix"]) == ("accumulated", "OneCycleLR(max_lr=0.003)")
    assert "total_steps=9,380 counts batches" in found["message"]
    assert "the run has 2,350 steps" in found["message"]


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers of the test process, which a run replaces."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


RUN = ["--task", TINY, "--batch-size", "16", "--epochs", "4"]


def findings_of_run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["train", *arguments, *RUN]) == 0
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("check: ")]


def test_a_run_starts_with_its_findings(capsys: pytest.CaptureFixture[str], restored_signals: None) -> None:
    (line,) = findings_of_run(["PolynomialLR(total_iters=2)"], capsys)
    assert line.startswith("check: dead-tail: from epoch 3 on the lr is exactly 0")
    assert line.endswith("(better: PolynomialLR(total_iters=4))")
    # --quiet does not hide warnings
    assert findings_of_run(["PolynomialLR(total_iters=2)", "--quiet"], capsys) == [line]
    assert findings_of_run(["PolynomialLR(total_iters=4)"], capsys) == []


def test_the_fix_leaves_out_lengths_that_were_left_out(
    capsys: pytest.CaptureFixture[str], restored_signals: None
) -> None:
    arguments = "SequentialLR([LinearLR(start_factor=0.1), CosineAnnealingLR()], milestones=[2])"
    (line,) = findings_of_run([arguments], capsys)
    better = "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])"
    assert line.endswith(f"(better: {better})")


def test_a_schedule_that_a_script_replaces_is_not_checked(
    capsys: pytest.CaptureFixture[str], restored_signals: None
) -> None:
    assert findings_of_run(["PolynomialLR(total_iters=2)", "--at", "epoch 3: CosineAnnealingLR()"], capsys) == []


@pytest.mark.parametrize(
    ("schedule", "script", "message"),
    [
        ('LambdaLR("1 - epoch / 4")', ("epoch 2: lr*0.5", "epoch 3: extend 3"), "is negative from epoch 6 on"),
        ('LambdaLR("1 - epoch")', ("epoch 4: OneCycleLR(max_lr=0.003)",), "is negative from epoch 3 on"),
        ("StepLR(2)", ('epoch 2: LambdaLR("1 - epoch") from current',), "is negative from epoch 4 on"),
        ("StepLR(2)", ("epoch 2: PolynomialLR(total_iters=1)",), "from epoch 3 on the lr is exactly 0"),
    ],
)
def test_the_schedules_of_a_script_are_checked_as_far_as_they_go(
    schedule: str, script: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], restored_signals: None
) -> None:
    (line,) = findings_of_run([schedule, *(part for line in script for part in ("--at", line))], capsys)
    assert message in line


@pytest.mark.parametrize(
    ("epochs", "batches", "advice"),
    [(1_000, 10_000, " Run lrtui check to check this schedule."), (100_000, 10_000, "")],
)
def test_the_check_at_the_start_of_a_very_long_run_is_skipped(
    epochs: int, batches: int, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("the lr of every step would take gigabytes")

    monkeypatch.setattr("lrtui.analysis.checks.check_schedule", refuse)
    request = ForecastRequest("StepLR(2)", "Adam(lr=0.01)", epochs, batches)
    steps = f"{epochs * batches:,}"
    assert course_lines(request, 1) == [f"check: skipped, {steps} steps take too long.{advice}"]
