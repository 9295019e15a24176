"""What becomes of a run whose schedule was exhausted when the advice is followed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from advice_verdict import advice_on
from driving import run_events
from known_runs import KNOWN_RUNS, KnownRun
from recordings import read_recording
from small_tasks import TASKS

from lrtui.run.events import EvalDone, Event

EXHAUSTED = [kind for kind in KNOWN_RUNS if "schedule-exhausted" in kind.expected]


def last_test(events: list[Event]) -> EvalDone:
    return [event for event in events if isinstance(event, EvalDone)][-1]


@pytest.mark.deep
@pytest.mark.parametrize("kind", EXHAUSTED, ids=lambda kind: kind.name)
def test_the_run_ends_better_in_the_same_epochs(kind: KnownRun) -> None:
    events = read_recording(kind.name)
    (said,) = advice_on(events)
    spec = replace(kind.spec, at=(f"step {said.advice.step}: {said.advice.command.text}",))
    followed, as_it_was = last_test(run_events(spec, task=TASKS[kind.task]())), last_test(events)
    by_accuracy = (followed.accuracy or 0.0) > (as_it_was.accuracy or 0.0)
    # where the schedule had done nearly all there was to do, the loss alone tells
    assert by_accuracy or followed.loss < as_it_was.loss
    if kind.name == "case-study":
        # measured: 0.823 in place of 0.770
        assert (followed.accuracy or 0.0) > (as_it_was.accuracy or 0.0) + 0.03
