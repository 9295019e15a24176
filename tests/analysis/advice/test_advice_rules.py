"""The limits of the other rules, the action they advise, and how long advice applies."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from advice_verdict import advice_on
from attached_runs import attached_run
from recorded_runs import recorded_run
from recordings import ending, read_recording
from synthetic_runs import codes, only, state_of, synthetic_run

from lrtui.analysis.advice.advisor import Advisor
from lrtui.run.commands import Extend
from lrtui.run.events import EpochDone, Event, LrSet, RunStarted, ScheduleSwitched, StepDone
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.forecast import RunForecaster


def test_a_single_huge_loss_is_ignored() -> None:
    events = recorded_run(300)
    spiked = [
        replace(event, loss=1e6) if isinstance(event, StepDone) and event.step == 150 else event for event in events
    ]
    assert "lr-too-high" not in codes(spiked)


def test_a_loss_that_rises_and_stays_high_means_the_lr_is_too_high() -> None:
    events = [
        replace(event, loss=event.loss + 2.0) if isinstance(event, StepDone) and event.step >= 150 else event
        for event in recorded_run(300)
    ]
    (given,) = advice_on(events)
    assert given.advice.code == "lr-too-high"
    assert given.advice.action == "nudge_down"
    # the span of the smoothing, and the steps that the mean takes to follow
    assert 155 < given.advice.step < 180


def test_a_rise_close_to_0_is_ignored() -> None:
    events = [
        replace(event, loss=0.001 + (0.02 if event.step >= 200 else 0) + (2.0 if event.step < 50 else 0))
        if isinstance(event, StepDone)
        else event
        for event in recorded_run(300)
    ]
    assert "lr-too-high" not in codes(events)


def test_after_a_resume_the_loss_is_examined_from_the_checkpoint() -> None:
    events = read_recording("raised-by-hand")
    state, advisor = RunState(), Advisor(RunForecaster())
    high = next(given.advice.step for given in advice_on(events) if given.advice.code == "lr-too-high")
    before = [event for event in events if event.step <= high - 3]
    state.fold(before)
    assert advisor.new_advice(state) == []
    started = next(event for event in events if isinstance(event, RunStarted))
    checkpoint = next(event for event in events if isinstance(event, EpochDone) and event.epoch == 3)
    step, seq = checkpoint.step, checkpoint.seq
    state.fold([replace(started, seq=9_000, step=step, resumed_from=step, resumed_seq=seq)])
    assert state.step == step
    state.fold(
        StepDone(seq=9_001 + i, step=step + i, seconds=1.0, epoch=4, batch=i % 30, loss=0.1, lrs=(0.003,))
        for i in range(60)
    )
    assert advisor.new_advice(state) == []


def test_a_diverged_run_branches_from_its_last_good_epoch() -> None:
    advice = advice_on(read_recording("explodes-while-rising"))[-1].advice
    # the loss of epoch 5 is finite, but its test loss is 2.4 times the best one
    assert (advice.action, advice.branch_epoch, advice.command.text) == ("branch", 4, "lr*0.5")
    restart = advice.without_branch()
    assert (restart.action, restart.branch_epoch) == ("restart", None)
    assert restart.restart_spec(RunSpec(at=("epoch 2: undo",))).at == ("epoch 1: lr*0.5", "epoch 2: undo")


def test_a_run_that_diverges_at_once_restarts() -> None:
    advice = only(read_recording("sgd-explodes-at-once"))
    assert (advice.code, advice.action, advice.branch_epoch) == ("not-finite", "restart", None)


def test_a_run_that_was_too_short_restarts_with_twice_the_epochs() -> None:
    events, last = ending("slow-sgd")
    assert codes(events) == []
    advice = only([*events, last])
    assert (advice.action, advice.command) == ("restart", Extend(6))
    assert advice.restart_spec(RunSpec(epochs=6)).epochs == 12
    # a stopped run was not too short
    assert codes([*events, replace(last, outcome="stopped")]) == []


def test_a_schedule_that_lowers_the_lr_is_not_a_plateau() -> None:
    events = read_recording("sgd-rattles")
    assert codes(events) == ["plateau"]
    started = next(event for event in events if isinstance(event, RunStarted))

    def codes_with(schedule: str) -> list[str]:
        spec = replace(started.spec, schedule=schedule)
        return codes([replace(event, spec=spec) if event is started else event for event in events])

    assert codes_with("ReduceLROnPlateau()") == []
    assert codes_with("MultiStepLR([18])") == []
    assert codes_with("StepLR(step_size=100)") == ["plateau"]


def test_a_plateau_is_found_beside_a_frozen_parameter_group() -> None:
    def with_frozen_group(event: Event) -> Event:
        if isinstance(event, RunStarted):
            optimizer = event.spec.optimizer.replace("SGD(lr=", 'SGD(lr=0.0, groups={"fc*": {"lr": ').replace(
                ")", "}})"
            )
            spec = replace(event.spec, optimizer=optimizer)
            return replace(event, spec=spec, group_names=("default", "fc*"), group_lrs=(0.0, *event.group_lrs))
        if isinstance(event, StepDone):
            return replace(event, lrs=(0.0, *event.lrs))
        return event

    assert codes([with_frozen_group(event) for event in read_recording("sgd-rattles")]) == ["plateau"]


# -- after advice was given --------------------------------------------------------------------------------------------


def test_advice_applies_until_the_lr_is_changed_or_the_run_ends() -> None:
    events = read_recording("case-study", epochs=4)
    advice, state = only(events), state_of(events)
    assert advice.still_applies(state)
    cut = LrSet(seq=900, step=160, seconds=9.0, lrs_before=(1.0,), lrs_after=(0.1,), scale=(1.0,), by="plateau")
    state.fold([cut])
    assert advice.still_applies(state)
    switched = ScheduleSwitched(
        seq=901, step=160, seconds=9.0, schedule="StepLR(step_size=3)", anchor="base", lrs=(0.01,), lrs_before=(1e-5,)
    )
    state.fold([switched])
    assert not advice.still_applies(state)
    assert not advice.still_applies(state_of(read_recording("case-study")))
    done = read_recording("slow-sgd")
    assert only(done).still_applies(state_of(done))


@pytest.mark.parametrize(
    ("name", "run_number", "command"),
    [
        ("case-study", 7, "lrtui send 7 'OneCycleLR(max_lr=0.0032) from base'"),
        ("case-study", None, "--at 'step 120: OneCycleLR(max_lr=0.0032) from base'"),
        ("cnn-explodes", 7, "lrtui branch 7 --at-epoch 2 'lr*0.5'"),
        ("cnn-explodes", None, "--at 'epoch 1: lr*0.5'"),
        ("slow-sgd", 7, "lrtui resume 7 --epochs 12"),
        ("slow-sgd", None, "--epochs 12"),
        ("sgd-rattles", 7, "lrtui send 7 'lr*0.3'"),
    ],
)
def test_the_headless_line_names_the_command_to_run(name: str, run_number: int | None, command: str) -> None:
    events = read_recording(name)
    advice = only(events)
    started = next(event for event in events if isinstance(event, RunStarted))
    line = advice.headless_line(started.spec, run_number)
    assert line.startswith(f"advice: {advice.title}: ")
    assert command in line


def test_a_negative_loss_close_to_its_best_is_not_too_high() -> None:
    falling = [(loss, None) for loss in (-1.0, -2.0, -3.0, -2.3, -2.3, -2.3)]
    assert "lr-too-high" not in codes(synthetic_run([0.01] * 6, falling))
    lost = [(loss, None) for loss in (2.0, -2.0, -3.0, 20.0, 20.0, 20.0)]
    assert "lr-too-high" in codes(synthetic_run([0.01] * 6, lost))


def test_a_script_that_logs_every_tenth_loss_gets_no_advice_for_a_single_huge_one() -> None:
    events = attached_run(500)
    assert codes(events) == []
    spiked = [
        replace(event, loss=500.0) if isinstance(event, StepDone) and event.step == 399 else event for event in events
    ]
    assert codes(spiked) == []


def test_a_script_that_logs_every_tenth_loss_gets_advice_for_a_loss_that_stays_high() -> None:
    events = attached_run(500)
    risen = [
        replace(event, loss=50.0)
        if isinstance(event, StepDone) and event.step >= 300 and not math.isnan(event.loss)
        else event
        for event in events
    ]
    assert codes(risen) == ["lr-too-high"]


def test_a_script_without_a_test_loss_gets_advice_without_it() -> None:
    for tests in ("accuracy", "perplexity"):
        codes(attached_run(500, tests=tests, outcome="done"))
