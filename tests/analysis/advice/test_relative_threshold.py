"""The advice on a negative metric that ReduceLROnPlateau follows with a relative threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded_runs import recorded_run

from lrtui.analysis.advice.relative_threshold import relative_threshold
from lrtui.run.commands import SwitchSchedule
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.state import RunState


def state_of(schedule: str, loss: float) -> RunState:
    events = [
        replace(event, spec=replace(event.spec, schedule=schedule))
        if isinstance(event, RunStarted)
        else replace(event, loss=loss)
        if isinstance(event, EvalDone)
        else event
        for event in recorded_run(400)
    ]
    state = RunState()
    state.fold(events)
    return state


def test_an_absolute_threshold_is_advised_on_a_negative_loss() -> None:
    advice = relative_threshold(state_of("ReduceLROnPlateau(patience=1)", -3.0))
    assert advice is not None
    assert advice.command == SwitchSchedule('ReduceLROnPlateau(patience=1, threshold_mode="abs")', "current")
    assert 'threshold_mode="abs"' in advice.text


@pytest.mark.parametrize(
    ("schedule", "loss"),
    [
        ("ReduceLROnPlateau(patience=1)", 3.0),
        ('ReduceLROnPlateau(patience=1, threshold_mode="abs")', -3.0),
        ("ReduceLROnPlateau(patience=50)", -3.0),
        ("StepLR(step_size=3)", -3.0),
    ],
)
def test_other_runs_get_no_advice(schedule: str, loss: float) -> None:
    assert relative_threshold(state_of(schedule, loss)) is None
