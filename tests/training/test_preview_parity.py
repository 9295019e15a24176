"""A preview is bit-identical to the lrs of the training loop's optimizer, batch by batch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from example_counts import examples
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from training_runs import run_events, tiny_spec

from lrtui.run.commands import Command, ScaleLr, SwitchSchedule
from lrtui.run.errors import NotationError
from lrtui.run.events import EvalDone, RunFinished, ScheduleSwitched, StepDone
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate, simulate_anchor

sys.path.insert(0, str(Path(__file__).parents[1] / "schedules"))

from strategies import BY_NAME, schedules

EPOCHS, BATCHES = 5, 3
OPTIMIZER = "SGD(lr=0.01, momentum=0.9)"
SPEC = {"epochs": EPOCHS, "batch_size": 32, "optimizer": OPTIMIZER}


def check_one(text: str) -> None:
    events = run_events(tiny_spec(schedule=text, **SPEC))
    used = [event.lrs[0] for event in events if isinstance(event, StepDone)]
    results = [
        {"loss": event.loss, "accuracy": event.accuracy or 0.0} for event in events if isinstance(event, EvalDone)
    ]
    try:
        preview = simulate(parse_schedule(text), parse_optimizer(OPTIMIZER), Horizon(EPOCHS, BATCHES), metrics=results)
    except NotationError as refused:
        # if a preview fails, at its start or at a step, a run ends there with the same error
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        assert finished.error is not None
        assert str(refused) in finished.error
        return
    # if a run diverges, the preview applies up to there
    assert used
    assert used == preview[: len(used), 0].tolist()


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_preview_matches_a_run(name: str) -> None:
    @settings(max_examples=examples(15, deep=50), deadline=None, suppress_health_check=list(HealthCheck))
    @given(BY_NAME[name])
    def check(text: str) -> None:
        check_one(text)

    check()


@pytest.mark.deep
@pytest.mark.parametrize("name", CATALOGUE)
def test_a_preview_matches_a_run_five_hundred_times(name: str) -> None:
    @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(BY_NAME[name])
    def check(text: str) -> None:
        check_one(text)

    check()


STEPS = EPOCHS * BATCHES


@settings(max_examples=examples(40, deep=100), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=schedules(),
    after=schedules(),
    anchor=st.sampled_from(["base", "current", "start"]),
    at=st.integers(1, STEPS - 1),
    nudges=st.dictionaries(st.integers(0, STEPS - 1), st.sampled_from([1.25, 0.8, 3.0]), max_size=4),
)
def test_a_forecast_matches_a_run_after_switches_and_nudges(
    before: str, after: str, anchor: str, at: int, nudges: dict[int, float]
) -> None:
    script: dict[int, list[Command]] = {step: [ScaleLr(factor)] for step, factor in nudges.items()}
    # at the same step the switch comes first, so the nudge applies to the new schedule
    script[at] = [SwitchSchedule(after, anchor), *script.get(at, [])]
    events = run_events(tiny_spec(schedule=before, **SPEC), script)
    used = {event.step: event.lrs[0] for event in events if isinstance(event, StepDone)}
    switch = next((event for event in events if isinstance(event, ScheduleSwitched)), None)
    assume(switch is not None)
    assert switch is not None
    # a schedule follows the model itself, not the averaged one
    tests = [event for event in events if isinstance(event, EvalDone) and not event.averaged]
    results = [{"loss": event.loss, "accuracy": event.accuracy or 0.0} for event in tests]
    since = 0 if anchor == "start" else at // BATCHES
    try:
        forecast = simulate_anchor(
            parse_schedule(after),
            parse_optimizer(OPTIMIZER),
            Horizon(EPOCHS, BATCHES, at),
            anchor,
            switch.lrs_before,
            metrics=results[since:],
        )[:, 0]
    except NotationError as refused:
        # the schedule fails at a later step, and the run ends there
        assert str(refused) in str(getattr(events[-1], "error", None))
        return
    scale = 1.0
    for step in range(at, max(used) + 1):
        scale *= nudges.get(step, 1.0)
        assert used[step] == forecast[step - at] * scale
