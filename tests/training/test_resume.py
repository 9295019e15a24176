"""A run that is interrupted and resumed is bit-identical to an uninterrupted one."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from random_tasks import RandomTask
from run_record import RunRecorder, assert_same, of
from training_runs import tiny_spec

from lrtui.run.commands import (
    Command,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.events import (
    CommandRefused,
)
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.training.checkpoint.files import ResumePoint, saved_files


def with_unit(example: str, per: str) -> str:
    return f'{example[:-1]}{"" if example[-2] == "(" else ", "}per="{per}")'


SCHEDULES = [
    with_unit(entry.example, per)
    for entry in CATALOGUE.values()
    for per in ("epoch", "batch")
    if (entry.name, per) != ("ReduceLROnPlateau", "batch")
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_run_is_resumed_within_an_epoch_under_every_schedule(
    schedule: str, recording: RunRecorder, tmp_path: Path
) -> None:
    chance = random.Random(schedule)
    spec = tiny_spec(schedule=schedule, optimizer=chance.choice(["SGD(lr=0.1, momentum=0.9)", "Adam(lr=0.01)"]))
    stops = sorted(chance.sample([step for step in range(24) if step % 6], 2))
    assert_same(recording.run(spec), recording.run_in_pieces(spec, stops, tmp_path))


# one of the anchors for each schedule, and all in the deep tests
SWITCHES = [
    pytest.param(entry, anchor, id=f"{entry.name}-{anchor}", marks=[] if number % 3 == place else pytest.mark.deep)
    for number, entry in enumerate(CATALOGUE.values())
    for place, anchor in enumerate(("base", "current", "start"))
]


@pytest.mark.parametrize(("entry", "anchor"), SWITCHES)
def test_a_run_is_resumed_after_a_switch_and_lr_changes(
    entry: Any, anchor: str, recording: RunRecorder, tmp_path: Path
) -> None:
    before = "OneCycleLR(max_lr=0.05)" if entry.name != "OneCycleLR" else "ReduceLROnPlateau(patience=0)"
    spec = tiny_spec(schedule=before, optimizer='SGD(lr=0.1, momentum=0.9, groups={"0.*": {"lr": 0.01}})')
    script: dict[int, list[Command]] = {
        3: [ScaleLr(1.25)],
        8: [SwitchSchedule(entry.example, anchor)],
        10: [ScaleLr(0.8), ScaleLr(1.5), SetLr(0.03, 1)],
        # the undone change was made before the interruption
        15: [UndoLr(), UndoLr()],
        20: [UndoLr()],
    }
    whole = recording.run(spec, script)
    assert_same(whole, recording.run_in_pieces(spec, [9, 13, 17], tmp_path, script))
    assert not of(CommandRefused, whole.events)


@pytest.mark.parametrize(
    ("stops", "meets_tests"),
    [([12], False), ([12], True), ([0, 6, 7, 23], False), ([6, 12, 18, 24], True), ([5, 6, 11], True)],
)
def test_a_run_is_resumed_at_the_end_of_an_epoch_and_within_its_test(
    stops: list[int], meets_tests: bool, recording: RunRecorder, tmp_path: Path
) -> None:
    spec = tiny_spec(schedule="ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.5)")
    pieces = recording.run_in_pieces(spec, stops, tmp_path, meets_tests=meets_tests)
    assert_same(recording.run(spec), pieces)
    assert all(piece.finished.outcome == "stopped" for piece in pieces[:-1])


@pytest.mark.parametrize("command", [ScaleLr(2.0), SwitchSchedule("StepLR(step_size=1, gamma=0.5)", "start")])
def test_a_change_during_a_test_lasts_after_it(command: Command, recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.5)")
    whole = recording.run(spec, {12: [command]}, meets_tests=True)
    # the checkpoint of the change, not that of the stop
    first = recording.go_on(spec, tmp_path, {12: [command, Stop()]}, [], meets_tests=True)
    change = next(e for e in first.saved if e.reason == "change") if len(first.saved) > 2 else first.saved[-1]
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=ResumePoint(Path(change.path)))
    assert_same(whole, [first, rest])


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate": 4},
        {"accumulate": 3, "train_samples": 50, "batch_size": 4, "schedule": "OneCycleLR(max_lr=0.05)"},
        {"clip_grad_norm": 0.1},
        {"precision": "bf16"},
        {"precision": "fp16", "schedule": "OneCycleLR(max_lr=0.05)"},
        {"train_samples": 50},
        *({"optimizer": f"{name}(lr=0.01)"} for name in ("AdamW", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta")),
        *({"optimizer": f"{name}(lr=0.001)"} for name in ("ASGD", "Rprop", "RMSprop", "Adafactor")),
        {"optimizer": "SGD(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)"},
        {"optimizer": "Adam(lr=0.01, amsgrad=True, foreach=True)"},
    ],
    ids=str,
)
def test_a_run_is_resumed_with_every_option(settings: dict[str, Any], recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(**settings)
    whole = recording.run(spec)
    total = whole.started.total_steps
    assert_same(whole, recording.run_in_pieces(spec, [total // 3, total // 2 + 1], tmp_path))


class Overflows(RandomTask):
    """Gradients that exceed fp16's range occasionally, so that its scale changes and steps are skipped."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().loss(outputs, targets) * (1e4 if float(torch.rand(())) < 0.3 else 1.0)


def test_a_run_is_resumed_with_the_gradient_scale_of_fp16(recording: RunRecorder, tmp_path: Path) -> None:
    spec = RunSpec(precision="fp16", epochs=3, batch_size=8, optimizer="SGD(lr=0.001)")
    make = partial(Overflows, "in memory")
    whole = recording.run(spec, make_task=make)
    assert whole.end["gradient_scaler"]["scale"] < 65536.0
    assert_same(whole, recording.run_in_pieces(spec, [4, 9], tmp_path, make_task=make))


@pytest.mark.parametrize(
    "schedule",
    [
        "SWALR(swa_lr=0.05, anneal_epochs=2)",
        'SWALR(swa_lr=0.05, anneal_epochs=4, per="batch")',
        "SequentialLR([ConstantLR(factor=1, total_iters=1), SWALR(swa_lr=0.05, anneal_epochs=2)], milestones=[2])",
    ],
)
@pytest.mark.parametrize("look", [None, 0, 2, 3, 5, 8])
def test_a_resumed_run_continues_averaging(
    schedule: str, look: int | None, recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(schedule=schedule, epochs=4, batch_size=15, optimizer="SGD(lr=0.1)")
    make = partial(RandomTask, "in memory")
    whole = recording.run(spec, make_task=make)
    assert whole.end["averaged"] is not None
    if look is None:
        pieces = recording.run_in_pieces(spec, [4, 7, 10], tmp_path, make_task=make)
    else:
        # in the third epoch's test, which has three batches of the model, three to compute the average's BatchNorm
        # from, and three of the average
        first = recording.go_on(spec, tmp_path, {9: [Stop()]}, [], make_task=make, meets_tests=True, look=look)
        assert (first.finished.outcome, first.finished.step) == ("stopped", 9)
        resume_point = ResumePoint(saved_files(tmp_path)[-1].path)
        pieces = [first, recording.go_on(spec, tmp_path, None, [first], resume_point=resume_point, make_task=make)]
    assert_same(whole, pieces)


def test_a_switch_between_two_averages_during_a_test_is_resumed(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="SWALR(swa_lr=0.001)")
    script: dict[int, list[Command]] = {12: [SwitchSchedule('SWALR(swa_lr=0.01, per="batch")', "current")]}
    whole = recording.run(spec, script, meets_tests=True)
    first = recording.go_on(spec, tmp_path, {12: [*script[12], Stop()]}, [], meets_tests=True)
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=ResumePoint(saved_files(tmp_path)[-1].path))
    assert_same(whole, [first, rest])


def test_a_resumed_run_continues_its_seq_clock_and_step(recording: RunRecorder, tmp_path: Path) -> None:
    first, rest = recording.run_in_pieces(tiny_spec(), [8], tmp_path)
    assert [e.seq for e in (*first.events, *rest.events)] == list(range(len(first.events) + len(rest.events)))
    saved, started = first.saved[-1], rest.started
    assert (started.step, started.resumed_from, started.resumed_seq) == (8, 8, saved.seq - 1)
    # also the events before the data is loaded and before the clock continues
    assert {(e.step, e.seconds) for e in rest.events[: rest.events.index(started) + 1]} == {(8, started.seconds)}
    assert first.events[-1].seconds >= started.seconds >= first.events[-3].seconds
