"""Following the advice on an exhausted schedule improves the run."""

from __future__ import annotations

from dataclasses import replace

import pytest
from advice_verdict import advice_on
from known_runs import KNOWN_RUNS, KnownRun
from recordings import read_recording
from small_tasks import TASKS
from training_runs import run_events

from lrtui.run.events import EvalDone, Event

EXHAUSTED = [known for known in KNOWN_RUNS if "schedule-exhausted" in known.expected]


def last_test(events: list[Event]) -> EvalDone:
    return [event for event in events if isinstance(event, EvalDone)][-1]


@pytest.mark.deep
@pytest.mark.parametrize("known", EXHAUSTED, ids=lambda known: known.name)
def test_the_run_ends_better_in_the_same_epochs(known: KnownRun) -> None:
    events = read_recording(known.name)
    (given,) = advice_on(events)
    spec = replace(known.spec, at=(f"step {given.advice.step}: {given.advice.command.text}",))
    followed, original = last_test(run_events(spec, task=TASKS[known.task]())), last_test(events)
    by_accuracy = (followed.accuracy or 0.0) > (original.accuracy or 0.0)
    # where little was left to learn, only the loss improves
    assert by_accuracy or followed.loss < original.loss
    if known.name == "case-study":
        # measured: 0.823 instead of 0.770
        assert (followed.accuracy or 0.0) > (original.accuracy or 0.0) + 0.03
