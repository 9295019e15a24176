"""The state that events are folded into."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from recorded_runs import PER_EPOCH, recorded_run

from lrtui.run.event_json import event_from_json, event_to_json
from lrtui.run.events import CommandRefused, EpochDone, EvalDone, Event, Paused, Resumed, RunStarted
from lrtui.run.state import RunState


def folded(events: list[Event]) -> RunState:
    state = RunState()
    state.fold(events)
    return state


def test_a_run_without_events_is_waiting() -> None:
    state = RunState()
    assert state.status == "waiting"
    assert state.is_live
    assert state.current_lrs == ()
    assert state.seconds_left is None


def test_the_latest_notice_says_what_a_run_is_waiting_for() -> None:
    events = recorded_run(0)
    state = folded(events[:1])
    assert state.waiting_for == "importing PyTorch"
    state.fold(events[1:])
    assert state.waiting_for == "the first batch"


def test_steps_add_up_to_series() -> None:
    state = folded(recorded_run(120))
    assert (state.step, state.epoch, state.batch) == (120, 3, 19)
    assert len(state.loss) == len(state.seconds) == len(state.lrs[0]) == 120
    assert state.current_lrs == (0.01 * 0.25,)
    assert state.status == "running"


def test_the_best_result_has_the_highest_accuracy_or_else_the_lowest_loss() -> None:
    state = folded(recorded_run(500))
    assert state.best is not None
    assert state.best.epoch == 10
    without_accuracy = [
        replace(event, accuracy=None) if isinstance(event, EvalDone) else event for event in recorded_run(500)
    ]
    best = folded(without_accuracy).best
    assert best is not None
    assert best.loss == min(event.loss for event in without_accuracy if isinstance(event, EvalDone))


def evaluated(values: list[float], name: str) -> RunState:
    """Return the state of a run whose tests had these losses or accuracies."""
    results = {"loss": 1.0, "accuracy": None}
    return folded(
        [
            EvalDone(
                **{
                    "seq": step,
                    "step": step,
                    "seconds": 0.0,
                    "epoch": step,
                    "seconds_taken": 0.0,
                    **results,
                    name: value,
                }
            )
            for step, value in enumerate(values, start=1)
        ]
    )


@pytest.mark.parametrize(("name", "best"), [("accuracy", 0.6), ("loss", 0.5)])
def test_only_a_finite_result_can_be_the_best(name: str, best: float) -> None:
    state = evaluated([math.nan, 0.5, math.nan, math.inf, 0.6, -math.inf], name)
    assert state.best is not None
    assert getattr(state.best, name) == best
    assert evaluated([math.nan, math.inf, -math.inf], name).best is None


@pytest.mark.parametrize("outcome", ["done", "stopped", "failed", "diverged"])
def test_a_finished_run_takes_no_commands(outcome: str) -> None:
    state = folded(recorded_run(60, outcome=outcome))
    assert state.status == outcome
    assert not state.is_live


def test_a_switch_and_a_nudge_set_the_current_schedule_and_scale() -> None:
    state = folded(recorded_run(200, switch_at=100, nudge_at=150))
    assert state.schedule == "CosineAnnealingLR(T_max=6)"
    assert state.scale == (1.25,)
    assert state.last_switch is not None
    assert state.last_switch.step == 100
    assert folded(recorded_run(120, nudge_at=10, switch_at=100)).scale == (1.0,)


def test_a_changed_lr_is_current_before_the_next_step() -> None:
    events = recorded_run(101, nudge_at=100)
    state = folded(events[:-1])
    assert state.current_lrs == (0.0025 * 1.25,)


def test_pauses_and_refused_commands_are_recorded() -> None:
    events = recorded_run(10)
    state = folded(events)
    seq, seconds = len(events), 0.4
    state.fold([Paused(seq=seq, step=10, seconds=seconds)])
    assert state.status == "paused"
    state.fold([Resumed(seq=seq + 1, step=10, seconds=seconds)])
    assert state.status == "running"
    refusal = CommandRefused(seq=seq + 2, step=10, seconds=seconds, command="undo", reason="nothing to undo")
    state.fold([refusal])
    assert state.refusals == [refusal]
    assert state.log.lines[-1].text == "refused: undo: nothing to undo"


def test_the_log_has_the_lines_of_the_tutorial() -> None:
    state = folded(recorded_run(101))
    texts = [line.text for line in state.log.lines]
    assert "Train Epoch: 1 batch-0\tLoss: 2.240000 Learning Rate: 0.01" in texts
    assert sum(line.kind == "evaluation" for line in state.log.lines) == 2


def test_folding_stored_events_equals_folding_live_ones() -> None:
    events = recorded_run(300, switch_at=100, nudge_at=150, outcome="diverged")
    stored = [event_from_json(event_to_json(event)) for event in events]
    assert folded(events) == folded(stored)


def test_folding_in_pieces_equals_folding_at_once() -> None:
    events = recorded_run(300, outcome="done")
    state = RunState()
    for start in range(0, len(events), 7):
        state.fold(events[start : start + 7])
    assert state == folded(events)


def test_a_resumed_run_drops_everything_after_its_checkpoint() -> None:
    events = recorded_run(220, nudge_at=130)
    state = folded(events)
    started = next(event for event in events if isinstance(event, RunStarted))
    last = max(event.seq for event in events if isinstance(event, EpochDone) and event.step == 100)
    state.fold([replace(started, seq=len(events), step=100, resumed_from=100, resumed_seq=last)])
    assert state.step == len(state.loss) == 100
    assert state.changes == []
    assert [result.epoch for result in state.evaluations] == [1, 2]
    assert [line for line in state.log.lines if line.seq > last] == []


def test_the_time_left_follows_from_the_mean_time_per_step() -> None:
    state = folded(recorded_run(2 * PER_EPOCH, epochs=10))
    assert state.seconds_left == pytest.approx(4 * state.elapsed)
    assert state.samples_per_second == pytest.approx(64 / 0.04)
