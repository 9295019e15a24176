"""A feed that takes back steps: its fold equals that of a feed with the final values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_runs import recorded_run

from lrtui.run.events import EpochDone, EvalDone, Event, RunFinished, RunStarted, StepDone
from lrtui.run.feed import FeedItem, Rewritten, StepBlock
from lrtui.run.log import Log
from lrtui.run.source import run_started
from lrtui.run.state import RunState

Values = list[tuple[float, float, float, bool]]
"""Loss, lr, metric, and whether a test follows, of each step."""

number = st.one_of(st.just(math.nan), st.floats(-4, 4, width=16))
values = st.lists(st.tuples(number, st.floats(0, 1, width=16), number, st.booleans()), max_size=60)


def events_of(steps: Values) -> list[Event]:
    spec = replace(run_started().spec, log_interval=7)
    events: list[Event] = [replace(run_started(), spec=spec)]
    for step, (loss, lr, metric, is_tested) in enumerate(steps):
        at = {"step": step, "seconds": 0.5 * step}
        metrics = {} if math.isnan(metric) else {"norm": metric}
        done = StepDone(
            seq=len(events), **at, epoch=1 + step // 10, batch=step % 10, loss=loss, lrs=(lr,), metrics=metrics
        )
        events.append(done)
        if is_tested:
            test = {"loss": loss, "accuracy": None, "seconds_taken": 0.0}
            events.append(EvalDone(seq=len(events), **at, epoch=1 + step // 10, **test))  # type: ignore[arg-type]
            events.append(EpochDone(seq=len(events), **at, epoch=1, lrs=(lr,), samples_per_second=math.nan))
    return events


def in_blocks(events: list[Event]) -> list[FeedItem]:
    """Return the events with consecutive steps as blocks."""
    items: list[FeedItem] = []
    steps: list[StepDone] = []
    for event in [*events, None]:
        if isinstance(event, StepDone):
            steps.append(event)
            continue
        if steps:
            items.append(
                StepBlock(
                    first_step=steps[0].step,
                    seqs=np.array([step.seq for step in steps]),
                    epochs=np.array([step.epoch for step in steps]),
                    batches=np.array([step.batch for step in steps]),
                    seconds=np.array([step.seconds for step in steps]),
                    loss=np.array([step.loss for step in steps]),
                    lrs=(np.array([step.lrs[0] for step in steps]),),
                    metrics={"norm": np.array([step.metrics.get("norm", math.nan) for step in steps])},
                )
            )
            steps = []
        if event is not None:
            items.append(event)
    return items


def assert_equal(state: RunState, expected: RunState) -> None:
    # the versions and the lines that were dropped count on
    for each in (state, expected):
        each.version, each.log = 0, Log(lines=each.log.lines, _needs_loss=each.log._needs_loss)
    assert state == expected
    for series in (state.loss, expected.loss):
        assert len(series) == state.step


@settings(max_examples=60, deadline=None)
@given(values, values, values, st.integers(0, 60), st.booleans())
def test_a_fold_with_dropped_steps_equals_that_of_the_final_values(
    start: Values, dropped: Values, end: Values, cut: int, are_blocks: bool
) -> None:
    final, expected, state = events_of(start + end), RunState(), RunState()
    cut = min(cut, len(start)) if end else 0
    expected.fold(final)
    earlier = events_of(start + dropped)
    state.fold(in_blocks(earlier) if are_blocks else earlier)
    state.smoothed(state.loss, 5)
    kept = [event for event in final if event.step < cut and not isinstance(event, RunStarted)]
    last = kept[-1].seq if kept else 0
    rest = final[last + 1 :]
    if not rest:
        return
    state.fold([Rewritten(cut, last), *(in_blocks(rest) if are_blocks else rest)])
    means = state.smoothed(state.loss, 5).values
    assert np.array_equal(means, expected.smoothed(expected.loss, 5).values, equal_nan=True)
    assert_equal(state, expected)


def test_a_feed_can_start_again() -> None:
    state, expected = RunState(), RunState()
    state.fold(recorded_run(200, outcome="stopped"))
    state.fold([Rewritten(0, -1), *events_of([(1.0, 0.1, math.nan, True)] * 20)])
    expected.fold(events_of([(1.0, 0.1, math.nan, True)] * 20))
    state.waiting_for = expected.waiting_for
    assert_equal(state, expected)


def test_a_run_whose_end_is_dropped_is_running_again() -> None:
    state = RunState()
    events = recorded_run(200, outcome="stopped")
    state.fold(events)
    assert isinstance(events[-1], RunFinished)
    assert state.status == "stopped"
    state.fold([Rewritten(200, events[-1].seq - 1)])
    assert state.status == "running"
    assert state.outcome is None
