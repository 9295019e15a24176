"""`preview --over` and `check --run` on the logs of other programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

from lrtui.__main__ import main
from lrtui.cli.recorded_run import read_recorded_run

STEPS, PER_EPOCH = 400, 40


def trained_lrs(
    make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler], lr: float
) -> list[float]:
    """Return the lr of each step of a loop that steps the scheduler after every batch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = make(optimizer)
    lrs = []
    for _ in range(STEPS):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs


def write_log(
    path: Path,
    lrs: list[float],
    *,
    every: int = 10,
    first: int = 0,
    epochs: bool = False,
    tests: bool = False,
    is_over: bool = True,
) -> Path:
    """Write a log with a loss and the lr of every so many steps.

    Args:
        first: the number of the first step.
        epochs: whether the epoch of each row is logged.
        is_over: whether it was last written long ago.
        tests: whether there is a test at the end of each epoch, without progress after half the run.
    """
    rows = []
    for step, lr in enumerate(lrs):
        row: dict[str, float] = {"step": step + first, "train/loss": 0.4 + 2 * 0.98**step, "lr": lr}
        if epochs:
            row["epoch"] = step // PER_EPOCH
        if (step + 1) % every == 0:
            rows.append(row)
        if tests and (step + 1) % PER_EPOCH == 0:
            rows.append({"step": step + first, "val/loss": 0.5 + 0.5 ** (1 + min(step, STEPS // 2) // PER_EPOCH)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if is_over:
        os.utime(path, (1.7e9, 1.7e9))
    return path


def halved(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.StepLR(optimizer, 100, 0.5)


def cosine(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRTUI_STORE", str(tmp_path / "store"))


def test_a_log_of_every_tenth_step_agrees_with_the_schedule_that_wrote_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(cosine, 0.1))
    schedules = ["CosineAnnealingLR(per='batch')", "StepLR(100, gamma=0.5, per='batch')"]
    assert main(["preview", *schedules, "--over", str(log), "--optimizer", "SGD(lr=0.1)", "--json"]) == 0
    out, err = capsys.readouterr()
    recorded, right, wrong = map(json.loads, out.splitlines())
    assert recorded["steps"] == list(range(9, STEPS, 10))
    assert recorded["run"] == str(log)
    assert right["filled_in"] == {"T_max": STEPS}
    assert (right["over"][0]["points"], right["over"][0]["agreeing"], right["over"][0]["offset"]) == (40, 1.0, 0)
    assert wrong["over"][0]["agreeing"] < 0.1
    assert f"over {log}: lr recorded at 40 of 400 steps" in err


def test_without_a_schedule_the_usual_one_is_named_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(cosine, 0.1))
    assert main(["preview", "--over", str(log)]) == 0
    named = "CosineAnnealingLR(T_max=400, per='batch')"
    assert f"the lr is that of {named} on an optimizer with lr=0.1, within 1e-4 at" in capsys.readouterr().out
    assert main(["preview", "--over", str(log), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["schedule"], record["base_lr"]) == (named, 0.1)
    odd = write_log(tmp_path / "odd.jsonl", [0.1 + 0.01 * (step % 70) for step in range(STEPS)])
    assert main(["preview", "--over", str(odd)]) == 0
    assert "no usual schedule agrees with every point within 1e-4" in capsys.readouterr().out


def test_without_an_optimizer_the_lr_of_the_curve_is_taken_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # no logged step has the peak, 0.1
    lrs = [0.1 * step / 25 if step < 25 else 0.1 * (STEPS - step) / (STEPS - 25) for step in range(STEPS)]
    log = write_log(tmp_path / "run.jsonl", lrs)
    assert main(["preview", "WarmupLinear(warmup=25)", "--over", str(log)]) == 0
    out, err = capsys.readouterr()
    assert "agrees with all 40 recorded points" in out
    assert "schedules start from lr=0.1, as WarmupLinear(warmup=25, total_steps=400) does" in err


def test_the_highest_recorded_lr_is_taken_where_no_usual_schedule_agrees(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(
        tmp_path / "run.jsonl", [0.1 if step < 50 else 0.03 if step < 90 else 0.02 for step in range(STEPS)]
    )
    arguments = ["preview", "MultiStepLR([50], gamma=0.3, per='batch')", "--over", str(log)]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert "agrees with 22.5 % of 40 recorded points" in out
    assert "schedules start from the highest recorded lr, 0.1; --optimizer sets another" in err


def test_a_log_that_counts_steps_from_1_agrees_one_step_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(cosine, 0.1), first=1)
    arguments = ["--over", str(log), "--optimizer", "SGD(lr=0.1)"]
    assert main(["preview", "CosineAnnealingLR(per='batch')", *arguments]) == 0
    assert "agrees with all 40 recorded points, logged one step later than used" in capsys.readouterr().out


def test_the_length_of_an_epoch_comes_from_the_log_or_must_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lrs = [0.1 * 0.5 ** (step // PER_EPOCH) for step in range(STEPS)]
    with_epochs = write_log(tmp_path / "a" / "run.jsonl", lrs, every=1, epochs=True)
    assert main(["preview", "StepLR(1, gamma=0.5)", "--over", str(with_epochs)]) == 0
    out, err = capsys.readouterr()
    assert "agrees with all 400 recorded points" in out
    assert "at 400 of 400 steps, 40 per epoch" in err
    # tests are no epochs
    without = write_log(tmp_path / "b" / "run.jsonl", lrs, tests=True)
    assert main(["preview", "StepLR(1, gamma=0.5)", "--over", str(without)]) == 2
    assert "does not say how many steps an epoch has" in capsys.readouterr().err
    assert main(["preview", "StepLR(1, gamma=0.5)", "--over", str(without), "--epochs", "10"]) == 0
    out, err = capsys.readouterr()
    assert "agrees with all 40 recorded points" in out
    assert "40 per epoch (from --epochs)" in err


def test_several_groups_are_compared_each_with_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"step": step, "lr/head": 0.1 * 0.99**step, "lr/body": 0.01 * 0.99**step} for step in range(100)]
    log = tmp_path / "run.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["preview", "ExponentialLR(0.99, per='batch')", "--over", str(log), "--json"]) == 0
    out, _ = capsys.readouterr()
    assert [each["agreeing"] for each in json.loads(out.splitlines()[1])["over"]] == [1.0, 1.0]


def test_the_plateau_schedule_follows_the_tests_of_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(tmp_path / "run.jsonl", [0.1] * STEPS, every=1, epochs=True, tests=True)
    schedule = "ReduceLROnPlateau(patience=0, factor=0.5)"
    assert main(["preview", schedule, "--over", str(log)]) == 0
    _, err = capsys.readouterr()
    assert f"over the test loss of {log} it would have cut after epochs" in err


def test_the_lr_and_the_results_of_a_log_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lrs = [0.1 * 0.1 ** (step // 40) for step in range(STEPS)]
    log = write_log(tmp_path / "run.jsonl", lrs, every=1, tests=True)
    assert main(["check", "--run", str(log)]) == 1
    out, _ = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("dead-tail: in the recorded run, from step 120 on the lr is 0.0001 or lower")
    assert lines[1].startswith("advice: schedule exhausted: ")
    assert "In the next run, use a schedule that ends with the run" in lines[1]
    assert "send" not in out
    assert main(["check", "--run", str(log), "--json"]) == 1
    finding, advice = map(json.loads, capsys.readouterr().out.splitlines())
    assert (finding["kind"], finding["code"], finding["schedule"], finding["run"]) == (
        "finding",
        "dead-tail",
        None,
        str(log),
    )
    assert (advice["kind"], advice["code"]) == ("advice", "schedule-exhausted")
    # of a run that goes on only what has been is said
    live = write_log(tmp_path / "live.jsonl", lrs, every=1, tests=True, is_over=False)
    assert main(["check", "--run", str(live)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("advice: schedule exhausted: since step 279 the lr has been")


def test_a_sound_log_has_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(cosine, 0.1), tests=True)
    assert main(["check", "--run", str(log)]) == 0
    assert capsys.readouterr().err == f"{log}: ✓ no findings\n"


def test_a_log_without_an_lr_is_said_to_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "run.jsonl"
    log.write_text("".join(json.dumps({"step": step, "loss": 1 / (step + 1)}) + "\n" for step in range(50)))
    assert main(["check", "--run", str(log)]) == 0
    assert "has no recorded lr" in capsys.readouterr().err
    assert main(["preview", "--over", str(log)]) == 2
    assert "has no recorded lr" in capsys.readouterr().err


@pytest.mark.parametrize(("make", "every", "epochs"), [(cosine, 10, False), (halved, 1, True)])
def test_an_imported_log_has_the_points_and_the_epochs_of_the_log(
    make: Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler],
    every: int,
    epochs: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(make, 0.1), every=every, epochs=epochs)
    # a value of each step, most of them without an lr
    log.write_text(log.read_text() + "".join(f'{{"step": {step}, "x": {step % 3}}}\n' for step in range(STEPS)))
    os.utime(log, (1.7e9, 1.7e9))
    assert main(["import", str(log)]) == 0
    records, notes = [], []
    for run in (str(log), "last"):
        capsys.readouterr()
        assert main(["preview", "--over", run, "--json"]) == 0
        out, err = capsys.readouterr()
        records.append(json.loads(out))
        notes.append(err.partition(": ")[2])
    of_log, of_store = records
    assert of_log["schedule"] is not None
    assert len(of_log["steps"]) == STEPS // every
    assert [of_log[key] for key in ("schedule", "steps", "lrs")] == [
        of_store[key] for key in ("schedule", "steps", "lrs")
    ]
    assert notes[0] == notes[1]
    assert ("40 per epoch" in notes[0]) == epochs


def test_a_stored_run_whose_name_looks_like_a_path_comes_before_the_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path / "logs" / "keras" / "log.jsonl", trained_lrs(cosine, 0.1))
    assert main(["import", str(tmp_path / "logs")]) == 0
    assert main(["preview", "--over", "keras/log.jsonl"]) == 0
    assert "over run #1 keras/log.jsonl" in capsys.readouterr().err
    assert main(["check", "--run", "keras/log.jsonl"]) == 0
    monkeypatch.chdir(tmp_path / "logs")
    assert main(["preview", "--over", "./keras/log.jsonl"]) == 0
    assert "over keras/log.jsonl" in capsys.readouterr().err


def test_a_run_that_is_neither_stored_nor_a_path_is_said_to_be_neither(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(write_log(tmp_path / "run.jsonl", [0.1] * STEPS))]) == 0
    for run in ("nowhere", "keras/nowhere"):
        assert main(["check", "--run", run]) == 2
        err = " ".join(capsys.readouterr().err.split())
        assert f"there is no run '{run}'; a run is an id, a name or last; the newest are 1 run.jsonl" in err
        assert f"as the path of a log, {run} does not exist" in err


def test_a_path_must_be_that_of_a_single_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        write_log(tmp_path / "logs" / name / "metrics.jsonl", [0.1] * STEPS)
    assert main(["preview", "--over", str(tmp_path / "logs")]) == 2
    assert "holds 2 logs, name one of them: a/metrics.jsonl, b/metrics.jsonl" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["preview", "--over", str(tmp_path / "empty")]) == 2
    assert "holds no log that lrtui can read" in capsys.readouterr().err
    assert main(["preview", "--over", f"{tmp_path}/nowhere"]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_no_torch_is_imported_for_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write_log(tmp_path / "run.jsonl", [0.1] * STEPS, tests=True)
    # an import of torch fails
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["preview", "--over", str(log)]) == 0
    assert main(["check", "--run", str(log)]) in (0, 1)
    assert isinstance(sys.modules["torch"], ModuleType | None)


def test_a_log_that_was_read_to_its_end_keeps_every_point(tmp_path: Path) -> None:
    log = write_log(tmp_path / "run.jsonl", trained_lrs(cosine, 0.1) * 5, every=1)
    curve = read_recorded_run(str(log), None, with_curve=True).curve
    assert curve is not None
    assert len(curve) == 5 * STEPS
