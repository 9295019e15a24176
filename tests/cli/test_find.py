"""`lrtui find`: output, exit statuses and signals."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest
from process_server import ForkedProcess
from training_runs import TINY

from lrtui.__main__ import main

SLOW = TINY.replace(":Tiny", ":Slow")


def find(capsys: pytest.CaptureFixture[str], *arguments: str, task: str = TINY) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main(["find", "--task", task, "--batch-size", "16", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_json_has_an_object_per_step_then_the_suggestions(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = find(capsys, "--json", "--from", "1e-4", "--to", "10", "--steps", "60")
    assert status == 0
    *points, result = (json.loads(line) for line in out.splitlines())
    assert [point["step"] for point in points] == list(range(len(points)))
    assert all(set(point) == {"step", "lr", "loss", "smoothed"} for point in points)
    assert points[0]["lr"] == 1e-4
    assert points[0]["loss"] == points[0]["smoothed"]
    assert set(result["suggestions"]) == {"steepest", "valley", "minimum/10", "slide"}
    assert result["suggested"] in [*result["suggestions"].values(), None]
    assert result["own_lr"] == 0.01
    assert result["outcome"] in ("done", "diverged")
    assert err.startswith("data: ")


def test_the_report_has_a_chart_and_the_rules(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "--optimizer",
        "SGD(lr=0.5, momentum=0.9)",
        "--from",
        "1e-4",
        "--to",
        "100",
        "--steps",
        "120",
        "--quiet",
    )
    status, out, err = find(capsys, *arguments)
    assert (status, err) == (0, "")
    assert re.search(r"0\.0001 +0\.001 +0\.01 +0\.1 +1 ", out)
    for name in ("S steepest", "V valley", "M minimum/10", "L slide"):
        assert name in out
    assert "of 120 steps" in out
    assert "the lr in use is 0.5" in out


def test_a_linear_sweep_has_linear_ticks(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = find(capsys, "--json", "--linear", "--from", "0.1", "--to", "0.2", "--steps", "21")
    assert status == 0
    lrs = [json.loads(line)["lr"] for line in out.splitlines()[:-1]]
    assert lrs == pytest.approx([0.1 + 0.005 * step for step in range(len(lrs))])
    status, out, _ = find(capsys, "--linear", "--from", "0.1", "--to", "0.2", "--steps", "21")
    assert status == 0
    assert re.search(r"0\.1 .*0\.2", out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "0"], "the first lr of a range test must be finite and above 0"),
        (["--from", "x"], "--from takes a finite number"),
        (["--to", "1e-9"], "must end at a higher lr than it starts at: 1e-07 to 1e-09"),
        (["--steps", "3"], "20 to 10,000 steps"),
        (["--steps", "2.5"], "--steps takes a whole number"),
        (["--optimizer", "Addam(lr=1)"], "unknown optimizer Addam"),
        (["--task", "nowhere"], "nowhere"),
        (["StepLR(3)"], "unexpected extra argument (StepLR(3))"),
    ],
)
def test_usage_errors_are_reported(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["find", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert "Traceback" not in printed.err


def test_a_failing_task_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = find(capsys, task=TINY.replace(":Tiny", ":Breaks"))
    assert (status, out) == (1, "")
    assert "lrtui find: " in err
    assert "this loss is broken" in err


def started(*arguments: str) -> ForkedProcess:
    return ForkedProcess(
        [sys.executable, "-m", "lrtui", "find", "--task", SLOW, "--batch-size", "16", "--steps", "5000", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_test_and_the_results_so_far_are_shown(number: int, status: int) -> None:
    process = started("--json")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == status, err
    result = json.loads(out.splitlines()[-1])
    assert result["outcome"] == "stopped"
    assert json.loads(lines[-1])["step"] == 4
    assert "terminate called" not in err


def test_a_reader_that_closes_is_no_failure() -> None:
    process = started("--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=600) == 0
    err = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in err
    assert "terminate called" not in err
