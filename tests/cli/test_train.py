"""`lrtui train`: output, exit statuses and signals, in separate processes where needed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from process_server import ForkedProcess
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.cli.exit_codes import SIGNALS

SMALL = ["--task", TINY, "--batch-size", "16", "--log-interval", "3"]


def start(*arguments: str) -> ForkedProcess:
    return ForkedProcess(
        [sys.executable, "-m", "lrtui", "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train(*arguments: str) -> tuple[int, str, str]:
    # a process of its own, which shares nothing with this one
    with start(*arguments) as process:
        out, err = process.communicate(timeout=600)
        return process.wait(), out, err


def test_the_end_of_a_run_runs_the_command_of_the_user(tmp_path: Path) -> None:
    program = tmp_path / "notify"
    program.write_text(f'#!/bin/sh\necho "$LRTUI_EVENT: $1" > {tmp_path}/said\n')
    program.chmod(0o755)
    status, _, err = train(
        "ConstantLR(factor=1.0)", *SMALL, "--epochs", "1", "--store", "none", "--notify", str(program)
    )
    assert status == 0, err
    assert (tmp_path / "said").read_text().startswith("done: run done: epoch 1, ")


def test_a_command_that_can_not_be_run_is_reported_and_the_run_is_done() -> None:
    status, _, err = train("ConstantLR(factor=1.0)", *SMALL, "--epochs", "1", "--store", "none", "--notify", "/no/such")
    assert status == 0
    assert err.count("--notify /no/such: ") == 1


@pytest.fixture
def restored_signals() -> Iterator[None]:
    """Restore the signal handlers of the test process, which a run replaces."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_standard_output_has_exactly_the_tutorials_lines(tmp_path: Path) -> None:
    arguments = ["--train-samples", "192", "--test-samples", "100", "--epochs", "1", "--log-interval", "2"]
    # the bundled sample, whatever else this machine has
    code = (
        "import sys, lrtui.tasks.fashion_mnist as case_study\n"
        "from dataclasses import replace\n"
        "case_study.FASHION_MNIST = replace(case_study.FASHION_MNIST, packages=(), urls=())\n"
        "from lrtui.__main__ import main\n"
        f"sys.exit(main(['train', 'ExponentialLR(gamma=0.1)', *{arguments!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        timeout=600,
    )
    assert done.returncode == 0
    lines = done.stdout.split("\n")
    assert len(lines) == 6
    assert re.fullmatch(r"Train Epoch: 1 batch-0\tLoss: \d\.\d{6} Learning Rate: 0\.01", lines[0])
    assert re.fullmatch(r"Train Epoch: 1 batch-2\tLoss: \d\.\d{6} Learning Rate: 0\.01", lines[1])
    assert lines[2] == ""
    assert re.fullmatch(r"Test set: Average loss: \d\.\d{4}, Accuracy: 0\.\d{4}", lines[3])
    assert lines[4:] == ["", ""]
    assert "Fashion-MNIST from bundled sample" in done.stderr
    assert "192 training and 100 test samples" in done.stderr
    assert "device: cpu" in done.stderr
    assert "lr of each epoch: 0.01" in done.stderr


@pytest.mark.usefixtures("restored_signals")
def test_json_has_every_event_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["train", "StepLR(1)", *SMALL, "--epochs", "2", "--json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 0
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["event"] for event in events if event["event"] != "step_done"] == [
        "notice", "notice", "run_started", "notice", "evaluation_started", "eval_done", "epoch_done",
        "evaluation_started", "eval_done", "epoch_done", "run_finished",
    ]  # fmt: skip
    steps = [event for event in events if event["event"] == "step_done"]
    assert [(event["step"], event["epoch"], event["batch"]) for event in steps] == [
        (step, step // 6 + 1, step % 6) for step in range(12)
    ]
    assert [event["lrs"] for event in steps[5:7]] == [[0.01], [0.001]]


@pytest.mark.usefixtures("restored_signals")
def test_the_same_command_prints_the_same_output(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["OneCycleLR(0.1)", *SMALL, "--epochs", "3"]
    status = main(["train", *arguments])
    assert train(*arguments)[:2] == (status, capsys.readouterr().out)


@pytest.mark.usefixtures("restored_signals")
def test_quiet_prints_the_test_results_and_the_source_of_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "StepLR(1)", *SMALL, "--epochs", "2", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "data: Tiny from the task, 96 training and 32 test samples\n"
    lines = [line for line in printed.out.splitlines() if line]
    assert len(lines) == 2
    assert all(line.startswith("Test set: ") for line in lines)


@pytest.mark.usefixtures("restored_signals")
@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["LambdaLR('1')", *SMALL, "--optimizer", "SGD(lr=1e30)"], 3, "the loss is not finite at step"),
        (["StepLR(1)", *SMALL[2:], "--task", TINY.replace("Tiny", "Breaks")], 1, "this loss is broken"),
        (["StepLR(1)", *SMALL[2:], "--task", TINY.replace("Tiny", "NotATask")], 1, "is not a task"),
        (["StepLR(1)", *SMALL[2:], "--task", "nowhere.py:X"], 2, "no file nowhere.py"),
        (["OneCycleLR(0.1)", *SMALL, "--optimizer", "Adagrad()"], 2, "cycle_momentum=False"),
    ],
)
def test_the_outcome_of_a_run_is_its_exit_status(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *arguments]) == status
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_a_run_after_its_batch_with_a_summary(number: signal.Signals, status: int) -> None:
    process = start("StepLR(1)", *SMALL, "--epochs", "20000")
    assert process.stdout is not None
    for line in process.stdout:
        if "Train Epoch: 2" in line:
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=600)
    assert process.returncode == status
    assert "run stopped after" in err
    assert "best:" in err


def test_a_run_under_nohup_survives_the_end_of_its_terminal() -> None:
    # a child process inherits ignored signals
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = start("StepLR(1)", *SMALL, "--epochs", "20000")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert process.stdout is not None
    numbers = iter([signal.SIGHUP, signal.SIGTERM])
    waited_for = 2
    for line in process.stdout:
        # a run that the first signal stopped would end before the second one
        if f"Train Epoch: {waited_for} " in line:
            waited_for += 300
            process.send_signal(number := next(numbers))
            if number == signal.SIGTERM:
                break
    process.communicate(timeout=600)
    assert process.returncode == 143


def test_a_reader_that_closes_early_is_no_failure() -> None:
    with start("StepLR(1)", *SMALL, "--epochs", "20000") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=600) == 0
        assert "Traceback" not in process.stderr.read()
