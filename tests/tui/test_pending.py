"""A command shows as pending until its event has come."""

from __future__ import annotations

from played_session import PlayedRun
from recorded_runs import recorded_run

from lrtui.run.commands import Command, Pause, Resume, ScaleLr, Stop, SwitchSchedule
from lrtui.run.events import CommandRefused, Event, LrSet, Paused, RunFinished, ScheduleSwitched
from lrtui.tui.pending import Pending

AT = {"seq": 999, "step": 120, "seconds": 5.0}


def given(*commands: Command) -> tuple[PlayedRun, Pending]:
    run, pending = PlayedRun(1, recorded_run(120)), Pending()
    for command in commands:
        pending.give(run, command)
    return run, pending


def after(run: PlayedRun, pending: Pending, *events: Event) -> str:
    run.say(*events)
    run.poll()
    pending.settle()
    return pending.words


def nudged(words: str) -> LrSet:
    return LrSet(**AT, lrs_before=(0.01,), lrs_after=(0.0125,), scale=(1.25,), by="user", command=words)


def test_nothing_is_pending_at_first() -> None:
    assert Pending().words == ""


def test_each_answer_takes_one_command_away() -> None:
    run, pending = given(ScaleLr(1.25), ScaleLr(1.25), ScaleLr(0.8))
    assert after(run, pending) == "2 x lr*1.25, lr*0.8 …"
    assert after(run, pending, nudged("lr*1.25")) == "lr*1.25, lr*0.8 …"
    assert after(run, pending, nudged("lr*0.8"), nudged("lr*1.25")) == ""


def test_a_refusal_is_an_answer() -> None:
    run, pending = given(ScaleLr(1.25))
    assert after(run, pending, CommandRefused(**AT, command="lr*1.25", reason="the lr is 0")) == ""


def test_a_switch_a_pause_and_a_stop_are_answered_by_what_the_run_is_then() -> None:
    run, pending = given(SwitchSchedule("StepLR(3)", "base"))
    switched = ScheduleSwitched(
        **AT, schedule="StepLR(3)", anchor="base", lrs_before=(0.01,), lrs=(0.01,), command="StepLR(3) from base"
    )
    assert after(run, pending, switched) == ""
    run, pending = given(Pause())
    assert after(run, pending) == "pause …"
    assert after(run, pending, Paused(**AT)) == ""
    pending.give(run, Resume())
    assert after(run, pending) == "resume …"
    pending.give(run, Stop())
    assert after(run, pending, RunFinished(**AT, outcome="stopped")) == ""
