"""The memory of a run does not grow with its length."""

from __future__ import annotations

import tracemalloc

import numpy as np
from recorded_runs import recorded_run

from lrtui.run.events import RunStarted, StepDone
from lrtui.run.feed import StepBlock
from lrtui.run.series import RECENT
from lrtui.run.state import RunState


def block_at(step: int, size: int) -> StepBlock:
    at = np.arange(step, step + size)
    return StepBlock(
        first_step=step,
        seqs=at + 10,
        epochs=np.ones(size, np.int64),
        batches=at,
        seconds=at * 0.001,
        loss=np.cos(at),
        lrs=(np.full(size, 0.01),),
    )


def started_state() -> RunState:
    state = RunState()
    state.fold(event for event in recorded_run(0) if isinstance(event, RunStarted))
    return state


def test_the_memory_of_a_long_run_is_bounded() -> None:
    state, size, taken = started_state(), 20_000, []
    tracemalloc.start()
    for number in range(60):
        state.fold([block_at(number * size, size)])
        _ = state.smoothed(state.loss, 100)
        taken.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert state.step == len(state.loss) == 60 * size
    # the second half is another 600,000 steps
    assert max(taken[30:]) < max(taken[:30]) * 1.1


def test_single_steps_are_replaced_by_summaries_too() -> None:
    state = started_state()
    steps = 2 * RECENT + 5000
    for step in range(steps):
        state.fold(
            [StepDone(seq=step + 10, step=step, seconds=step * 0.001, epoch=1, batch=step, loss=1.0, lrs=(0.1,))]
        )
    assert len(state.loss) == len(state.seconds) == len(state.lrs[0]) == steps
    assert state.loss.known_from == state.seconds.known_from == state.lrs[0].known_from > 0
