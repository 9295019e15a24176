"""`lrtui train` prints advice on stderr and leaves stdout to its data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lrtui.__main__ import main

DEAD_SCHEDULE = ["ExponentialLR(gamma=0.1)", "--batch-size", "16", "--epochs", "12", "--optimizer", "Adam(lr=0.001)"]


def slow_task(folder: Path, seconds: float) -> str:
    """Return a task whose epochs are long enough for advice to appear between two of them."""
    file = folder / "a_slow_task.py"
    tests = Path(__file__).parents[2]
    file.write_text(
        f"import sys, time\nsys.path.insert(0, {str(tests)!r})\nfrom tiny_task import Tiny\n"
        f"class Slow(Tiny):\n    def loss(self, outputs, targets):\n        time.sleep({seconds})\n"
        "        return super().loss(outputs, targets)\n"
    )
    return f"{file}:Slow"


@pytest.mark.parametrize("more", [[], ["--quiet"], ["--json"]])
def test_advice_goes_to_stderr(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*DEAD_SCHEDULE, "--task", slow_task(tmp_path, 0.01), "--store", str(tmp_path / "store"), *more]
    assert main(["train", *arguments]) == 0
    out, err = capsys.readouterr()
    (line,) = [line for line in err.splitlines() if line.startswith("advice: ")]
    assert line.startswith("advice: schedule exhausted: in the remaining ")
    assert "lrtui send 1 'OneCycleLR(max_lr=" in line
    assert "advice: " not in out
    if "--json" in more:
        assert all("event" in json.loads(line) for line in out.splitlines())


def test_the_advice_on_a_diverged_run_names_the_epoch_to_branch_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = ["--store", str(tmp_path / "store")]
    arguments = ['LambdaLR("1.0 if epoch < 2 else 1e30")', "--batch-size", "16", "--epochs", "6", "--optimizer"]
    task = ["--task", slow_task(tmp_path, 0.0)]
    assert main(["train", *arguments, "SGD(lr=0.1)", *task, *store]) == 3
    _, err = capsys.readouterr()
    assert "lrtui branch 1 --at-epoch 2 'lr*0.5'" in err
    # the suggested command works: the branch continues the schedule at a scaled lr
    main(["branch", "1", "--at-epoch", "2", "lr*1e-30", *store, "--json"])
    out, _ = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    (change,) = [event for event in events if event["event"] == "lr_set"]
    assert (change["step"], change["lrs_after"]) == (12, [pytest.approx(0.1)])
    assert [event["lrs"] for event in events if event["event"] == "step_done"] == [[pytest.approx(0.1)]] * 24


def test_a_branch_of_a_switched_run_needs_a_schedule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path / "store")]
    task = ["--task", slow_task(tmp_path, 0.0)]
    arguments = [
        "StepLR(step_size=3)",
        "--batch-size",
        "16",
        "--epochs",
        "4",
        "--at",
        "epoch 2: ExponentialLR(gamma=0.9)",
    ]
    assert main(["train", *arguments, *task, *store]) == 0
    capsys.readouterr()
    assert main(["branch", "1", "--at-epoch", "2", "lr*0.5", *store]) == 2
    assert "was switched to ExponentialLR(gamma=0.9) before the end of epoch 2" in capsys.readouterr().err
    assert main(["branch", "1", "--at-epoch", "1", "lr*0.5", *store]) == 0


def test_a_diverged_run_that_was_switched_is_advised_to_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["StepLR(2)", "--batch-size", "16", "--epochs", "6", "--optimizer", "SGD(lr=0.1)"]
    script = ["--at", "epoch 2: CosineAnnealingLR()", "--at", "epoch 4: lr*1e30"]
    task = ["--task", slow_task(tmp_path, 0.0), "--store", str(tmp_path / "store")]
    assert main(["train", *arguments, *script, *task]) == 3
    _, err = capsys.readouterr()
    # a branch would need another schedule
    assert "lrtui branch" not in err
    assert "a new run with --at 'epoch 1: lr*0.5', which halves the lr" in err
