"""The footer at 80 columns: the keys of each state, whole."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_runs import recorded_run

from lrtui.requirements import Situation
from lrtui.run.events import Event, Paused
from lrtui.run.state import RunState
from lrtui.tui.panes.footer import keys_line


def state_after(events: list[Event]) -> RunState:
    state = RunState()
    state.fold(events)
    return state


def paused_run() -> RunState:
    events = recorded_run(260, nudge_at=150)
    return state_after([*events, Paused(seq=events[-1].seq + 1, step=260, seconds=9.0)])


RUNNING = state_after(recorded_run(260))
NUDGED = state_after(recorded_run(260, nudge_at=150))
PAUSED = paused_run()
STOPPED = state_after(recorded_run(260, outcome="stopped"))
FAILED = state_after(recorded_run(260, outcome="failed"))
DONE = state_after(recorded_run(500, outcome="done"))


def live(run: RunState, **more: Any) -> Situation:
    return Situation(run, run, is_stored=True, is_training=True, shown_race=1, pinned=2, **more)


def ended(run: RunState) -> Situation:
    return Situation(run, None, is_stored=True, has_checkpoint=True, shown_race=1, pinned=2)


@pytest.mark.parametrize(
    ("situation", "keys"),
    [
        (Situation(None, None), "? help  s schedule  r start  q quit"),
        (Situation(None, None, shown_race=1), "? help  s schedule  r start  q quit  t race"),
        (
            live(RUNNING),
            "? help  s switch  space pause  r rerun  +-= lr  x stop  m pin  q quit",
        ),
        (
            live(NUDGED),
            "? help  s switch  space pause  r rerun  +-= lr  u undo  x stop  m pin  q quit",
        ),
        (
            live(PAUSED),
            "? help  s switch  space resume  r rerun  +-= lr  u undo  x stop  m pin  q quit",
        ),
        (
            Situation(RUNNING, RUNNING, read_only="watched"),
            "? help  r start  m pin  q quit",
        ),
        (live(RUNNING, race=1), "? help  space pause  r rerun  x stop  m pin  q quit"),
        (ended(STOPPED), "? help  s schedule  space resume  r start  m pin  q quit"),
        (ended(FAILED), "? help  s schedule  space resume  r start  m pin  q quit"),
        (ended(DONE), "? help  s schedule  r start  m pin  q quit  c compare  t race"),
    ],
)
def test_at_80_columns_the_keys_of_the_state_are_whole(situation: Situation, keys: str) -> None:
    assert keys_line(situation, "", 80, {}).plain.startswith(f" {keys}")
    # the speed makes room for them
    assert keys_line(situation, "", 80, {}, "12,345 samples/s").plain.startswith(f" {keys}")


def test_before_its_first_batch_a_run_can_be_stopped() -> None:
    waiting = RunState()
    assert "x stop" in keys_line(live(waiting), "", 80, {}).plain
