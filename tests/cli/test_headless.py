"""How a headless run ends when the user's code fails or prints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from process_server import ForkedProcess
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.run.errors import UsageError

BASE = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import torch
from tiny_task import Tiny
"""

SHORT = ["--batch-size", "16", "--epochs", "4"]


def task(folder: Path, code: str) -> str:
    file = folder / f"a_task_{abs(hash(code))}.py"
    file.write_text(f"{BASE}\n{code}\n")
    return f"{file}:Mine"


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    status = main(["train", *arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("class Mine(Tiny):\n    def model(self): sys.exit('enough')", "SystemExit: enough"),
        ("class Mine(Tiny):\n    def loss(self, o, t): raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class Mine(Tiny):\n    def __init__(self): sys.exit(3)", "SystemExit: 3"),
        ("class Mine(Tiny):\n    def training_data(self): sys.exit()", "SystemExit"),
        (
            "class Mine(Tiny):\n    def training_data(self): return [(torch.zeros(1, 4), torch.zeros(1))] * 9",
            "a list of 9 items, the first one a tuple of 2: float32 (1, 4), float32 (1,): they may be samples, or",
        ),
        (
            "class Data(torch.utils.data.Dataset):\n    def __getitem__(self, i): return torch.zeros(4), 1\n"
            "class Mine(Tiny):\n    def training_data(self): return Data()",
            "give Data a __len__",
        ),
        (
            "class Mine(Tiny):\n    def model(self): return super().model().requires_grad_(False)",
            "no trainable parameters",
        ),
    ],
    ids=["exit", "interrupt", "exit-when-made", "exit-in-data", "samples", "no-length", "frozen"],
)
def test_a_mistake_in_a_task_ends_the_run_with_a_message(
    code: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(["StepLR(1)", "--task", task(tmp_path, code), *SHORT], capsys)
    assert status == 1
    assert message in err


def test_sparse_gradients_are_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = """
class Mine(Tiny):
    def training_data(self): return torch.randint(0, 9, (96, 3)), self.targets[:96]
    def test_data(self): return torch.randint(0, 9, (32, 3)), self.targets[96:]
    def model(self): return torch.nn.Sequential(torch.nn.EmbeddingBag(9, 8, sparse=True), torch.nn.Linear(8, 2))
"""
    arguments = ["StepLR(1)", "--task", task(tmp_path, code), "--optimizer", "SGD(lr=0.1)", *SHORT]
    assert run(arguments, capsys)[0] == 0


def test_a_scheduler_that_fails_during_the_run_is_reported_with_its_line_and_the_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a_schedule.py"
    file.write_text(
        "from torch.optim.lr_scheduler import LRScheduler\n"
        "class Mine(LRScheduler):\n"
        "    def get_lr(self):\n"
        "        if self.last_epoch == 2:\n"
        "            raise RuntimeError('own boom')\n"
        "        return self.base_lrs\n"
    )
    status, _, err = run([f"{file}:Mine()", "--task", task(tmp_path, "class Mine(Tiny): pass"), *SHORT], capsys)
    assert status == 1
    assert "RuntimeError: own boom" in err
    assert f"{file}, line 5" in err
    assert "best:" in err


def test_the_caret_of_an_error_found_late_is_under_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["StepLR(1)", "--task", task(tmp_path, "class Mine(Tiny): pass"), *SHORT, "--at", "step 99: lr*2"]
    status, _, err = run(arguments, capsys)
    assert status == 2
    assert "lrtui train:\nstep 99: lr*2\n^ the run has 24 steps" in err


def test_a_scripted_switch_that_would_fail_later_is_refused_before_the_first_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["StepLR(1)", "--task", task(tmp_path, "class Mine(Tiny): pass"), *SHORT]
    status, out, err = run([*arguments, "--at", "epoch 2: LambdaLR('1/(2-epoch)')"], capsys)
    assert (status, out) == (2, "")
    assert "has no value at epoch=2" in err


def test_what_a_task_prints_goes_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "class Mine(Tiny):\n    def model(self):\n        print('a word')\n        return super().model()"
    status, out, err = run(["StepLR(1)", "--task", task(tmp_path, code), *SHORT, "--json"], capsys)
    assert status == 0
    assert {json.loads(line)["event"] for line in out.splitlines()} >= {"run_started", "run_finished"}
    assert "a word" in err


def test_a_metric_without_samples_is_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = "class Mine(Tiny):\n    def metrics(self, o, t): return {'of_none': torch.zeros(0)}"
    status, out, _ = run(["StepLR(1)", "--task", task(tmp_path, code), *SHORT], capsys)
    assert status == 0
    assert "of_none: nan" in out


def test_a_signal_to_the_process_group_is_reported_as_that_signal(tmp_path: Path) -> None:
    code = """
import time
class Slow(torch.utils.data.Dataset):
    def __len__(self): return 100000
    def __getitem__(self, index):
        time.sleep(0.002)
        return torch.zeros(4), 1
class Mine(Tiny):
    def training_data(self): return torch.utils.data.DataLoader(Slow(), 16, num_workers=2)
"""
    arguments = [
        sys.executable,
        "-m",
        "lrtui",
        "train",
        "StepLR(1)",
        "--task",
        task(tmp_path, code),
        "--log-interval",
        "1",
    ]
    with ForkedProcess(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(600) == 143


def test_a_mistake_found_at_set_up_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path / "store")]
    arguments = ['ReduceLROnPlateau(metric="f1")', "--task", task(tmp_path, "class Mine(Tiny): pass"), *SHORT, *store]
    status, out, err = run(arguments, capsys)
    assert (status, out) == (2, "")
    assert "follows the test's f1" in err
    assert "stored as run" not in err
    assert main(["runs", "list", *store]) == 0
    assert "the store has no runs yet" in capsys.readouterr().err


def test_a_refused_command_is_reported_even_if_the_run_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    # undo is refused only when the run gets there
    arguments = [
        "ConstantLR(factor=1.0)",
        "--task",
        TINY,
        *SHORT,
        "--store",
        "none",
        "--quiet",
        "--at",
        "epoch 2: undo",
    ]
    status, _, err = run(arguments, capsys)
    assert status == 0
    assert "refused: undo: nothing to undo" in err


def test_the_schedule_may_be_left_out_if_the_task_has_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.py"
    file.write_text('from tiny_task import Tiny\n\n\nclass Own(Tiny):\n    schedule = "StepLR(step_size=3)"\n')
    settings = ["--epochs", "1", "--store", "none", "--quiet", "--json"]
    assert main(["train", "--task", f"{file}:Own", *settings]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (started,) = (event for event in events if event["event"] == "run_started")
    assert started["spec"]["schedule"] == "StepLR(step_size=3)"
    assert main(["train", "--task", f"{file}:Tiny", *settings]) == 2
    assert f"a schedule is needed: the argument SCHEDULE; {file}:Tiny has none of its own" in capsys.readouterr().err
    assert main(["train", *settings]) == 2
    assert "a schedule is needed" in capsys.readouterr().err


def test_a_check_that_fails_does_not_end_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> list[str]:
        raise UsageError("no such optimizer")

    monkeypatch.setattr("lrtui.cli.headless.finding_lines", fails)
    assert main(["train", "StepLR(1)", "--task", TINY, "--batch-size", "16", "--epochs", "1", "--store", "none"]) == 0
    assert "the schedule can't be checked: no such optimizer" in capsys.readouterr().err
