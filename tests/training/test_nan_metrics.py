"""A metric that is NaN is said once, and a plateau that acts on it is said each time, in agreement with PyTorch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from generated_code import lrs_of
from tiny_task import Tiny
from torch.optim.lr_scheduler import ReduceLROnPlateau
from training_runs import run_events, tiny_spec

from lrtui.engine.run_code import code_of_run
from lrtui.run.events import CheckpointSaved, EvalDone, Event, LrSet, Notice, StepDone
from lrtui.run.state import RunState
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import recorded_results, what_if
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints

AUCS = (0.5, 0.6, math.nan, math.nan, 0.7, math.nan, 0.8, 0.81)
PLATEAU = 'ReduceLROnPlateau(mode="max", factor=0.5, patience=1, metric="auc")'


class Undefined(Tiny):
    """A task with a metric that has these values after each epoch."""

    best = "auc"
    mode = "max"

    def __init__(self, values: Sequence[float] = AUCS) -> None:
        super().__init__()
        # the first call is the trial before training
        self.values = iter([0.0, *values])

    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        return {"auc": next(self.values)}


def notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.code == "nan-metric"]


def lr_of_epochs(events: list[Event]) -> list[float]:
    return [event.lrs[0] for event in events if isinstance(event, StepDone) and event.batch == 0]


def test_a_plateau_on_nan_cuts_as_pytorch_does_and_says_so_and_previews_and_exported_code_agree() -> None:
    spec = tiny_spec(epochs=8, schedule=PLATEAU, optimizer="SGD(lr=0.1)")
    events = run_events(spec, task=Undefined())
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler, expected = ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=1), []
    for value in AUCS:
        expected.append(optimizer.param_groups[0]["lr"])
        scheduler.step(value)
    assert lr_of_epochs(events) == expected
    assert expected[4:] == [0.05] * 4
    first, cut = notices(events)
    assert "the test's auc is NaN" in first
    assert "ReduceLROnPlateau counts it as no improvement, as PyTorch does" in first
    assert "cut the lr although the test's auc was NaN in 2 of the last 2 epochs" in cut
    state = RunState()
    state.fold(events)
    assert state.best is not None
    assert state.best.epoch == 8
    results = recorded_results([state])
    assert len([event for event in events if isinstance(event, LrSet)]) == 1
    previewed = what_if(parse_schedule(PLATEAU), parse_optimizer(spec.optimizer), Horizon(8, 6), results)
    assert previewed.lrs[::6, 0].tolist() == expected
    assert previewed.cuts == (4,)
    assert lrs_of(code_of_run("run", state), results)[::6] == [[lr] for lr in expected]


def test_a_nan_that_no_schedule_follows_is_said_once_also_after_a_resume(tmp_path: Path) -> None:
    spec = tiny_spec(epochs=4)
    values = (0.5, math.nan, math.nan, math.nan)
    whole = run_events(spec, task=Undefined(values), checkpoints=Checkpoints(tmp_path, every_seconds=1e9))
    (text,) = notices(whole)
    assert "never the best" in text
    assert "ReduceLROnPlateau" not in text
    saved = [event for event in whole if isinstance(event, CheckpointSaved)][2]
    resumed = run_events(
        spec,
        task=Undefined(values[3:]),
        resume_point=ResumePoint(Path(saved.path)),
        next_seq=saved.seq + 1,
    )
    assert notices(resumed) == []
    assert [math.isnan(e.metrics["auc"]) for e in resumed if isinstance(e, EvalDone)] == [True]


class Vanishing(Tiny):
    """A metric that later tests don't return."""

    def __init__(self) -> None:
        super().__init__()
        self.tests = 0

    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        self.tests += 1
        return {"auc": 0.5} if self.tests < 3 else {}


def test_a_test_without_the_metric_that_the_schedule_follows_is_said() -> None:
    events = run_events(tiny_spec(epochs=3, schedule=PLATEAU), task=Vanishing())
    assert notices(events) == ["this test has no auc, which ReduceLROnPlateau follows: it was not stepped"] * 2


def test_a_plateau_in_the_other_direction_than_the_tasks_best_metric_is_warned_of() -> None:
    texts = [
        [
            event.text
            for event in run_events(tiny_spec(epochs=1, schedule=text), task=Undefined())
            if isinstance(event, Notice)
        ]
        for text in (PLATEAU, 'ReduceLROnPlateau(metric="auc")')
    ]
    found = [[text for text in each if "cuts the lr while auc improves" in text] for each in texts]
    assert [len(each) for each in found] == [0, 1]
    assert 'the task has mode = "max"' in found[1][0]
