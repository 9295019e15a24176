"""Several processes that train one run carry out the same commands before the same steps, and have the same lrs."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rank_runs import RankRun, losses, lrs
from training_runs import run_events, tiny_spec

from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.events import EvalDone, Event, Extended, Notice, Paused, Resumed, RunStarted
from lrtui.training.checkpoint.files import ResumePoint, saved_files

pytestmark = pytest.mark.xdist_group("rank runs")

SCHEDULES: list[dict[str, Any]] = [
    {"schedule": "StepLR(2, gamma=0.3)"},
    {"schedule": "OneCycleLR(max_lr=0.1)", "test_every": 4},
    {"schedule": "CosineAnnealingWarmRestarts(1, T_mult=2)"},
    {"schedule": "ReduceLROnPlateau(patience=0, threshold=0.2)"},
    {"schedule": "LinearLR(total_iters=3)", "max_steps": 15},
    {"schedule": "StepLR(1)", "at": ("epoch 2: lr*2", "step 15: CyclicLR(0.001, 0.1, 4) from current")},
]
"""Settings of runs whose lr follows batches, epochs and test results."""

LIVE: Mapping[int, Sequence[Command]] = {
    2: [ScaleLr(3.0)],
    5: [SwitchSchedule("OneCycleLR(max_lr=0.5)"), SetLr(0.02)],
    6: [UndoLr(), EvaluateNow()],
    9: [SetLr(0.003), Pause(), SaveCheckpoint(), Resume()],
    13: [Extend(1), SwitchSchedule("StepLR(2)", "current")],
}


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Any]:
    """Return a function that starts a run as `RankRun` does, in a new folder."""
    runs: list[RankRun] = []

    def start(world_size: int, *arguments: Any, **options: Any) -> RankRun:
        runs.append(RankRun(tmp_path / f"ranks-{len(runs)}", world_size, *arguments, **options))
        return runs[-1]

    yield start
    for run in runs:
        run.close()


def of_kind(events: Sequence[Event], *kinds: type[Event]) -> list[tuple[str, int]]:
    return [(type(event).__name__, event.step) for event in events if isinstance(event, kinds)]


def test_the_lr_of_each_step_is_that_of_a_single_process_in_all_ranks(started: Any) -> None:
    run = started(3, also=SCHEDULES[1:], **SCHEDULES[0])
    run.finished()
    for number, settings in enumerate(SCHEDULES):
        alone = lrs(run_events(tiny_spec(**settings)))
        assert alone
        for rank in range(3):
            assert lrs(run.events(rank, number)) == alone, (settings, rank)
    begun = next(event for event in run.events() if isinstance(event, RunStarted))
    assert begun.processes == 3


def test_commands_are_carried_out_before_the_same_step_in_all_ranks(started: Any) -> None:
    run = started(2, LIVE)
    assert run.finished().outcome == "done"
    alone = run_events(tiny_spec(), LIVE)
    kinds = (EvalDone, Paused, Resumed, Extended)
    for rank in range(2):
        events = run.events(rank)
        assert lrs(events) == lrs(alone)
        assert of_kind(events, *kinds) == of_kind(alone, *kinds)


def test_commands_during_a_test_are_carried_out_in_all_ranks(started: Any) -> None:
    script = {6: [SetLr(0.004), Pause(), Resume()], 12: [Stop()]}
    run = started(2, script, meets_tests=True)
    assert run.finished().outcome == "stopped"
    alone = run_events(tiny_spec(), {6: [SetLr(0.004)], 12: [Stop()]}, meets_tests=True)
    assert lrs(run.events(0)) == lrs(run.events(1)) == lrs(alone)


def test_a_pause_lasts_until_it_is_ended(started: Any) -> None:
    # the other rank waits for longer than its limit, which is long enough for the start on a busy machine
    run = started(2, {7: [Pause()]}, task="SlowMeeting", limit=8.0)
    run.until(lambda events: bool(events) and isinstance(events[-1], Paused))
    with pytest.raises(subprocess.TimeoutExpired):
        run.processes[0].wait(10)
    assert isinstance(run.events()[-1], Paused)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 3), (3, 2)])
def test_a_run_is_resumed_by_another_number_of_processes(before: int, after: int, started: Any, tmp_path: Path) -> None:
    settings = {"schedule": "OneCycleLR(max_lr=0.1)"}
    whole = run_events(tiny_spec(**settings))
    saved = tmp_path / "saved"
    started(before, {9: [Stop()]}, checkpoints=saved, **settings).finished()
    newest = saved_files(saved)[-1]
    assert newest.step == 9
    run = started(after, resume_point=ResumePoint(newest.path), **settings)
    assert run.finished().outcome == "done"
    for rank in range(after):
        assert lrs(run.events(rank)) == {step: values for step, values in lrs(whole).items() if step >= 9}
    expected = {step: loss for step, loss in losses(whole).items() if step >= 9}
    assert losses(run.events()) == pytest.approx(expected, abs=1e-5)
    warnings = [event.text for event in run.events() if isinstance(event, Notice) and event.code == "resume"]
    assert warnings == [f"numbers may differ from an uninterrupted run's: processes {after} (was {before})"]
