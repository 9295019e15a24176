"""Runs that are killed and resumed end like uninterrupted ones."""

from __future__ import annotations

import random
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from other_process import (
    SLOW,
    OtherProcess,
    computed,
    last_checkpoint,
    rows,
    steps_done,
    wait_for_step,
    wait_until_live,
)
from store_runs import stored
from waiting import SECONDS

from lrtui.schedules.command_notation import parse_command
from lrtui.store.connection import open_for_reading
from lrtui.store.inbox import send

SCHEDULES = [
    "OneCycleLR(max_lr=0.05)",
    "ExponentialLR(gamma=0.9)",
    'SequentialLR([LinearLR(total_iters=90), CosineAnnealingLR()], milestones=[90], per="batch")',
    "CyclicLR(base_lr=0.001, max_lr=0.05, step_size_up=25)",
    "ReduceLROnPlateau(patience=0, factor=0.5)",
    "SWALR(swa_lr=0.005, anneal_epochs=15)",
]
SWITCHES = [
    "CosineAnnealingLR() from current",
    "OneCycleLR(max_lr=0.02)",
    'StepLR(1, per="batch", gamma=0.99) from start',
]

# few epochs, as each ends with a test and a checkpoint; what trains on after step 280, where the last signal may come,
# must not reach the end before
EPOCHS, BATCHES = 22, 24


def arguments_of(schedule: str, folder: Path, *more: str) -> list[str]:
    return [
        "train", schedule, "--task", SLOW, "--batch-size", "4", "--epochs", str(EPOCHS), "--store", str(folder),
        "--optimizer", "SGD(lr=0.05, momentum=0.9)", "--checkpoint-seconds", "0.1", "--quiet", *more,
    ]  # fmt: skip


def committed(folder: Path) -> list[Any]:
    return rows(folder, "SELECT seq, step, loss, lr FROM batches ORDER BY seq")


def check_whole(folder: Path, before: list[Any]) -> None:
    """Assert that nothing committed is lost and that the database is intact."""
    assert rows(folder, "PRAGMA integrity_check") == [("ok",)]
    now = {row[0]: row for row in committed(folder)}
    assert [now[row[0]] for row in before] == before


def same(mine: Any, other: Any) -> bool:
    """Return whether two states are the same bit for bit."""
    if isinstance(mine, torch.Tensor):
        return torch.equal(mine, other) and mine.dtype == other.dtype
    if isinstance(mine, dict):
        return mine.keys() == other.keys() and all(same(mine[key], other[key]) for key in mine)
    if isinstance(mine, (list, tuple)):
        return len(mine) == len(other) and all(same(one, two) for one, two in zip(mine, other, strict=True))
    return bool(mine == other)


def compare_with_one_never_interrupted(schedule: str, folder: Path) -> None:
    """Repeat the run without interruption, with the same commands at the same steps, and compare the results."""
    again = folder.with_name("again")
    # a command during the test at an epoch's end differs from one after the test
    lines = [given.line for given in stored(folder).commands]
    assert len(lines) >= 2
    process = OtherProcess(
        arguments_of(schedule, again, *(word for line in lines for word in ("--at", line))), again.with_suffix(".txt")
    )
    assert process.wait() == 0, process.printed
    assert len(computed(again)) > EPOCHS * BATCHES
    assert computed(folder) == computed(again)
    mine, other = last_checkpoint(folder), last_checkpoint(again)
    for part in ("model", "optimizer"):
        assert same(mine[part], other[part]), part


def interrupt(seed: int, number: int, tmp_path: Path) -> None:
    """Train with a switch and a nudge, interrupted twice by a signal at random moments."""
    chance = random.Random(seed)
    folder, output = tmp_path / "store", tmp_path / "printed"
    schedule = chance.choice(SCHEDULES)
    told = [
        (chance.randrange(10, 120), parse_command(chance.choice(SWITCHES))),
        (chance.randrange(130, 220), parse_command("lr*0.7")),
    ]
    stops = sorted(chance.sample(range(20, 280), 2))
    process = OtherProcess(arguments_of(schedule, folder), output)
    for step in [*stops, None]:
        while told and (step is None or told[0][0] < step):
            at, command = told.pop(0)
            wait_for_step(folder, at, process)
            wait_until_live(folder, process)
            answer = send(folder, 1, command, SECONDS)
            assert answer.obeyed, answer
        if step is None:
            break
        wait_for_step(folder, step, process)
        time.sleep(chance.random() * 0.1)
        process.signal(number)
        assert process.wait() == (-number if number == signal.SIGKILL else 128 + number), process.printed
        before = committed(folder)
        check_whole(folder, before)
        if number != signal.SIGKILL:
            # everything that was done is reported, and the run can be resumed from it
            assert len(before) == steps_done(folder)
        process = OtherProcess(["resume", "1", "--store", str(folder), "--quiet"], output)
    assert process.wait() == 0, process.printed
    check_whole(folder, before)
    if number != signal.SIGKILL:
        assert rows(folder, "SELECT count(*) FROM batches WHERE superseded") == [(0,)]
    with closing(open_for_reading(folder)) as connection:
        seqs = connection.execute("SELECT seq FROM batches UNION ALL SELECT seq FROM events ORDER BY seq").fetchall()
    if number != signal.SIGKILL:
        assert [seq for (seq,) in seqs] == list(range(len(seqs)))
    compare_with_one_never_interrupted(schedule, folder)


@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_twice_ends_like_an_uninterrupted_run(seed: int, tmp_path: Path) -> None:
    interrupt(seed, signal.SIGKILL, tmp_path)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(2, 50))
def test_fifty_runs_killed_twice_end_like_uninterrupted_runs(seed: int, tmp_path: Path) -> None:
    interrupt(seed, signal.SIGKILL, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_run_ended_by_a_signal_loses_no_event(number: int, tmp_path: Path) -> None:
    interrupt(100 + number, number, tmp_path)
