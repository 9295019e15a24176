"""Advice on runs that take no commands, from what they have recorded."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from known_runs import KNOWN_RUNS
from log_runs import as_log
from recordings import read_recording
from synthetic_runs import STAGNANT, TUTORIAL, state_of, synthetic_run

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.recorded_advice import advice_on
from lrtui.run.events import EvalDone, Event, RunFinished, RunStarted, StepDone
from lrtui.run.feed import SummaryBlock
from lrtui.run.minmax_pyramid import BLOCK, Blocks
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

MISSED = {"dead-at-once", "spirals-rattle"}
"""The loss of the first is huge for one step only; the second improves again after its plateau."""

FALLING = [(2.0 * 0.7**epoch, 0.9 - 0.5 * 0.8**epoch) for epoch in range(12)]
FLAT = [(0.5, 0.83)] * 12


def codes(events: list[Event], *, is_over: bool | None = True) -> list[str]:
    return [advice.code for advice in advice_on(state_of(events), is_over=is_over)]


def only(events: list[Event], *, is_over: bool | None = True) -> Advice:
    (advice,) = advice_on(state_of(events), is_over=is_over)
    return advice


@pytest.fixture(scope="module")
def recordings() -> dict[str, list[Event]]:
    return {known.name: read_recording(known.name) for known in KNOWN_RUNS}


@pytest.mark.parametrize("every", [1, 5, 20])
def test_no_false_alarm_on_the_logs_of_known_runs(every: int, recordings: dict[str, list[Event]]) -> None:
    for known in KNOWN_RUNS:
        log = as_log(recordings[known.name], every=every)
        for found in (
            codes(log),
            codes(log, is_over=False),
            codes(as_log(log, tests=False)),
            codes(log[: -len(log) // 3], is_over=False),
        ):
            assert set(found) <= known.expected | known.accepted, known.name


def test_what_is_known_of_a_run_is_found_in_its_log(recordings: dict[str, list[Event]]) -> None:
    for known in KNOWN_RUNS:
        if known.name not in MISSED and known.expected:
            assert set(codes(as_log(recordings[known.name]))) & (known.expected | known.accepted), known.name
            assert set(codes(recordings[known.name], is_over=None)) & (known.expected | known.accepted), known.name


# -- schedule exhausted ------------------------------------------------------------------------------------------------


def test_a_schedule_that_ended_too_early_is_told_with_its_figures(recordings: dict[str, list[Event]]) -> None:
    advice = only(as_log(recordings["case-study"]))
    assert advice.text == (
        "in the last 240 of 400 steps the lr was 1e-05 or lower, a thousandth of its peak 0.01, "
        "and the test result no longer improved"
    )
    assert advice.is_for_next_run
    assert advice.effect.startswith(
        "in the next run, use a schedule that ends with the run, such as CosineAnnealingLR()"
    )
    assert "send" not in advice.headless_line(RunSpec(), None)
    # the optimizer of a stored run is known, and so is the lr at which it learned
    stored = only(recordings["case-study"], is_over=None)
    assert "OneCycleLR(max_lr=0.0032)" in stored.effect


def test_a_live_log_is_told_what_has_been_and_not_what_will_be(recordings: dict[str, list[Event]]) -> None:
    advice = only(as_log(recordings["case-study"]), is_over=False)
    assert advice.text.startswith("since step 160 the lr has been 1e-05 or lower, a thousandth of its peak 0.01")
    assert "remaining" not in advice.text


def dead_for(share: float, results: list[tuple[float, float | None]] = FLAT) -> list[Event]:
    alive = round(len(results) * (1 - share))
    return synthetic_run([0.01] * alive + [1e-6] * (len(results) - alive), results)


def test_without_tests_the_lr_must_be_dead_for_the_last_third() -> None:
    assert codes(as_log(dead_for(1 / 3), tests=False)) == ["schedule-exhausted"]
    assert codes(as_log(dead_for(1 / 4), tests=False)) == []
    advice = only(as_log(dead_for(1 / 3), tests=False))
    assert "test result" not in advice.text


def test_a_dead_lr_under_which_the_results_improve_is_not_told() -> None:
    assert codes(as_log(dead_for(1 / 3, FALLING))) == []


def test_a_log_without_an_lr_gets_no_advice_about_it() -> None:
    assert codes(as_log(dead_for(1 / 2), lr_every=0)) == []
    assert codes(as_log(synthetic_run([0.01] * 12, FALLING), lr_every=0)) == []


def test_a_short_dead_end_is_intended() -> None:
    results = STAGNANT + [(0.387, 0.864)] * 16
    assert codes(as_log(synthetic_run([0.01] * 19 + [1e-6], results))) == []


def test_a_frozen_group_is_not_a_dead_one() -> None:
    frozen = [
        replace(event, lrs=(*event.lrs, 0.0)) if isinstance(event, StepDone) else event
        for event in synthetic_run([0.01] * 12, FALLING)
    ]
    assert "schedule-exhausted" not in codes(as_log(frozen))


def test_a_dead_lr_is_found_in_steps_that_are_known_as_blocks_only() -> None:
    state = summarized(lambda step: 0.01 if step < 16_000 else 1e-6, lambda step: 0.5, steps=40_000)
    (advice,) = advice_on(state, is_over=True)
    assert advice.code == "schedule-exhausted"
    # 16,000 is within a block of 256 steps
    assert "in the last 23,872 of 40,000 steps" in advice.text


# -- losses ------------------------------------------------------------------------------------------------------------


def summarized(lr_at: Callable[[int], float], loss_at: Callable[[int], float], steps: int) -> RunState:
    """Return a log of which only the newest 10,000 steps are known one by one."""
    known = (steps - 10_000) // BLOCK * BLOCK
    of_blocks = RunState()
    started = next(event for event in as_log(synthetic_run([0.01], [(0.5, None)])) if isinstance(event, RunStarted))

    def step(number: int) -> StepDone:
        lrs = (lr_at(number),)
        return StepDone(
            seq=number + 1, step=number, seconds=number, epoch=1, batch=number, loss=loss_at(number), lrs=lrs
        )

    of_blocks.fold([started, *map(step, range(known))])
    for series in (of_blocks.loss, of_blocks.seconds, *of_blocks.lrs):
        series._settle()
    levels = [series._levels[1] for series in (of_blocks.loss, of_blocks.seconds, *of_blocks.lrs)]
    loss, seconds, lr = (
        Blocks(*(column.values[: known // BLOCK].copy() for column in (level.low, level.high, level.sum, level.count)))
        for level in levels
    )
    block = SummaryBlock(
        steps=known, seq=known, epoch=1, batch=known - 1, elapsed=known, loss=loss, seconds=seconds, lrs=(lr,)
    )
    state = RunState()
    state.fold([started, block, *map(step, range(known, steps))])
    return state


def test_a_loss_that_rose_long_ago_is_found_in_blocks() -> None:
    state = summarized(lambda step: 0.01, lambda step: 0.1 + 2 / (1 + step / 100) if step < 15_000 else 2.4, 30_000)
    (advice,) = advice_on(state, is_over=True)
    assert advice.code == "lr-too-high"
    # the mean follows a few blocks later
    assert advice.text.startswith("from step 16,128 on the smoothed training loss is up to 2.4")
    assert advice.text.endswith("at lr 0.01")
    assert advice.effect == "in the next run, halve the lr: it was up to 0.01"


def with_losses(loss_at: Callable[[int], float], epochs: int = 12) -> list[Event]:
    return as_log(
        [
            replace(event, loss=loss_at(event.step)) if isinstance(event, StepDone) else event
            for event in synthetic_run([0.01] * epochs, FALLING[:epochs])
        ],
        every=2,
        tests=False,
    )


def test_a_loss_that_rises_and_comes_back_is_told_with_both_steps() -> None:
    advice = only(with_losses(lambda step: 3.0 if 200 <= step < 400 else 0.2 + 2 * 0.98**step))
    assert advice.code == "lr-too-high"
    assert "from step 2" in advice.text
    assert " to 4" in advice.text
    assert "the smoothed loss was up to" in advice.text


def test_single_huge_losses_are_not_an_lr_too_high() -> None:
    assert codes(with_losses(lambda step: 500.0 if step % 100 == 51 else 0.2 + 2 * 0.98**step)) == []


def test_a_loss_that_is_not_finite_is_told_from_its_step_on() -> None:
    advice = only(with_losses(lambda step: 0.5 if step < 300 else math.nan))
    assert (advice.code, advice.text) == ("not-finite", "the training loss is not finite from step 301 on")
    assert advice.effect == "in the next run, halve the lr: it was up to 0.01"


def test_a_loss_that_was_not_finite_once_is_not_told() -> None:
    once = with_losses(lambda step: math.nan if step == 301 else 0.5)
    assert codes(once) == []
    # a live run may go on after a single one
    last = with_losses(lambda step: math.nan if step == 599 else 0.5)
    assert codes(last, is_over=False) == []
    assert codes(last) == ["not-finite"]


def test_a_log_that_stopped_logging_its_loss_has_not_diverged() -> None:
    silent = [
        replace(event, loss=math.nan) if isinstance(event, StepDone) and event.step > 300 else event
        for event in with_losses(lambda step: 0.5)
    ]
    assert codes(silent) == []


def test_a_test_loss_that_is_not_finite_is_told() -> None:
    events = [
        replace(event, loss=math.nan) if isinstance(event, EvalDone) and event.epoch > 9 else event
        for event in as_log(synthetic_run([0.01] * 12, FLAT))
    ]
    assert "the test loss is not finite from step 500 on" in [
        advice.text for advice in advice_on(state_of(events), is_over=True)
    ]


# -- test results ------------------------------------------------------------------------------------------------------


def test_a_plateau_at_a_high_lr_is_told_and_one_at_the_end_of_a_decay_is_not() -> None:
    assert codes(as_log(synthetic_run([0.01] * 12, FLAT))) == ["plateau"]
    events = synthetic_run([0.01] * 12, FLAT)
    assert only(events).effect == "in the next run, lower the lr from epoch 9 on"
    # a log does not say what an epoch is
    advice = only(as_log(events))
    assert "in the last 4 tests, at lr 0.01" in advice.text
    assert advice.effect == "in the next run, lower the lr from step 400 on"
    # a tenth of a hundredth: the schedule is complete
    assert codes(as_log(synthetic_run([0.01] * 4 + [2e-4] * 8, FLAT))) == []


def test_without_training_losses_a_plateau_can_not_be_told_from_overfitting() -> None:
    events = as_log(synthetic_run([0.01] * 12, FLAT), every=10_000)
    assert codes(events) == []
    overfitted = [
        replace(event, loss=2.0 * 0.99**event.step) if isinstance(event, StepDone) else event
        for event in synthetic_run([0.01] * 12, FLAT)
    ]
    assert codes(as_log(overfitted)) == []


def test_a_run_that_ended_while_it_improved_was_too_short() -> None:
    events = synthetic_run([0.01] * 6, FALLING[:6])
    advice = only(as_log(events))
    assert (advice.code, advice.effect) == ("still-improving", "in the next run, train longer, for example 600 steps")
    assert "each of the last 3 tests improved" in advice.text
    assert only(events).effect == "in the next run, train longer, for example 12 epochs"
    # one that goes on may still be long enough, and one that was interrupted is not too short
    assert codes(as_log(events), is_over=False) == []
    assert codes(as_log(events, total_steps=600)) == []
    assert codes(as_log(events, total_steps=300)) == ["still-improving"]
    stopped = RunFinished(seq=9_999, step=300, seconds=1.0, outcome="stopped")
    assert codes([*as_log(events), stopped], is_over=None) == []


def test_a_schedule_that_comes_down_is_complete() -> None:
    lrs = [0.01 * (1 - epoch / 12) for epoch in range(12)]
    assert codes(as_log(synthetic_run(lrs, FALLING))) == []


def test_before_its_first_step_a_run_gets_no_advice() -> None:
    assert advice_on(RunState()) == []
    assert codes(as_log(synthetic_run(TUTORIAL, STAGNANT))[:1]) == []


def test_no_torch_is_imported(recordings: dict[str, list[Event]]) -> None:
    state = state_of(as_log(recordings["case-study"]))
    torch = sys.modules.pop("torch", None)
    try:
        assert advice_on(state, is_over=True)
        assert "torch" not in sys.modules
    finally:
        if torch is not None:
            sys.modules["torch"] = torch
