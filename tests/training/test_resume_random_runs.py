"""Runs of all kinds, interrupted anywhere and resumed from any of their checkpoints."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from random_tasks import RandomTask
from run_record import KeepsAll, RunRecord, RunRecorder, assert_same, cut, given_live_after

from lrtui.run.commands import Command, EvaluateNow, Extend, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.training.checkpoint.files import ResumePoint

OPTIMIZERS = [
    "SGD(lr=0.1, momentum=0.9)",
    "Adam(lr=0.01)",
    'AdamW(lr=0.01, groups={"0.*": {"lr": 0.001}, "1.*": {"lr": 0.1}})',
    "RMSprop(lr=0.001, momentum=0.5)",
]


def any_schedule(chance: random.Random) -> str:
    entry = chance.choice(list(CATALOGUE.values()))
    if entry.name == "ReduceLROnPlateau":
        return chance.choice(["ReduceLROnPlateau(patience=0, factor=0.5)", "ReduceLROnPlateau(mode='max', patience=0)"])
    per = chance.choice(["epoch", "batch", None])
    return (
        entry.example
        if per is None
        else entry.example[:-1].rstrip("(") + (f'(per="{per}")' if entry.example.endswith("()") else f', per="{per}")')
    )


def any_commands(chance: random.Random, steps: int) -> dict[int, list[Command]]:
    script: dict[int, list[Command]] = {}
    for _ in range(chance.randrange(8)):
        command = chance.choice(
            [
                [ScaleLr(chance.choice([0.5, 1.25, 3.0]))],
                [SetLr(chance.choice([0.003, 0.1]))],
                [UndoLr()],
                [EvaluateNow()],
                [Pause(), ScaleLr(0.7), Resume()],
                [Extend(1)],
                [SwitchSchedule(any_schedule(chance), chance.choice(["base", "current", "start"]))],
            ]
        )
        script.setdefault(chance.randrange(steps), []).extend(command)
    return script


def any_at(chance: random.Random, epochs: int, steps: int) -> tuple[str, ...]:
    moments = [
        f"epoch {chance.randint(1, epochs)}",
        f"step {chance.randrange(steps)}",
        f"test {chance.randint(1, epochs)}",
    ]
    words = ["lr*0.5", "lr=0.02", "undo", "evaluate", "checkpoint", f"{any_schedule(chance)} from current"]
    lines = [f"{chance.choice(moments)}: {chance.choice(words)}" for _ in range(chance.randrange(3))]
    # no test starts within a test
    return tuple(line for line in lines if not (line.startswith("test") and line.endswith("evaluate")))


MORE = [pytest.param(seed, marks=pytest.mark.deep) for seed in range(8, 1000)]


@pytest.mark.parametrize("seed", [*range(8), *MORE])
def test_any_run_can_be_resumed_from_anywhere(
    seed: int, recording: RunRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    accumulate, epochs = chance.choice([1, 1, 2, 3]), 4
    steps_an_epoch = -(-9 // accumulate)
    steps = steps_an_epoch * epochs
    spec = RunSpec(
        schedule=any_schedule(chance),
        optimizer=chance.choice(OPTIMIZERS),
        precision=chance.choice(["fp32", "fp32", "bf16", "fp16"]),
        clip_grad_norm=chance.choice([None, None, 0.5]),
        epochs=epochs,
        batch_size=5,
        accumulate=accumulate,
        seed=seed,
        at=any_at(chance, epochs, steps),
    )
    make = partial(RandomTask, chance.choice(["in memory", "dataset", "no workers", "own generator", "replacement"]))
    how: dict[str, Any] = {"make_task": make, "meets_tests": chance.random() < 0.5, "look": chance.randrange(8)}
    script = any_commands(chance, steps)
    whole = recording.run(spec, script, **how)

    # a checkpoint at every step and within tests, since the wall clock advances by a second per read
    looks = iter(range(10**9))
    monkeypatch.setattr("lrtui.training.checkpoint.policy.time.monotonic", lambda: float(next(looks)))
    pieces: list[RunRecord] = []
    begin, resume_point = 0, None
    for _ in range(3):
        stop = chance.randrange(begin + 1, steps) if begin + 1 < steps else None
        later = {step: list(commands) for step, commands in script.items() if step > begin or not pieces}
        if stop is not None:
            later.setdefault(stop, []).append(Stop())
        keep = KeepsAll(tmp_path, chance.choice([1.0, 2.0, 7.0]))
        piece = recording.go_on(spec, tmp_path, later, pieces, checkpoints=keep, resume_point=resume_point, **how)
        pieces.append(piece)
        if stop is None or piece.finished.outcome != "stopped":
            break
        begin = stop
        saved = chance.choice(piece.saved)
        resume_point = ResumePoint(Path(saved.path), given_live_after(piece, saved))
        pieces[-1] = cut(piece, saved.seq - 1)
    else:
        later = {step: commands for step, commands in script.items() if step > begin}
        pieces.append(
            recording.go_on(
                spec, tmp_path, later, pieces, resume_point=resume_point, checkpoints=KeepsAll(tmp_path), **how
            )
        )
    assert_same(whole, pieces)
