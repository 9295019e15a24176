"""A command is shown as pending until its event has arrived."""

from __future__ import annotations

from played_session import PlayedRun
from recorded_runs import recorded_run

from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    Stop,
    SwitchSchedule,
)
from lrtui.run.events import (
    CheckpointSaved,
    CommandRefused,
    EvaluationStarted,
    Event,
    Extended,
    LrSet,
    Paused,
    RunFinished,
    ScheduleSwitched,
)
from lrtui.tui.pending import PendingCommands

AT = {"seq": 999, "step": 120, "seconds": 5.0}


def given(*commands: Command) -> tuple[PlayedRun, PendingCommands]:
    run, pending = PlayedRun(1, recorded_run(120)), PendingCommands()
    for command in commands:
        pending.add(run, command)
    return run, pending


def after(run: PlayedRun, pending: PendingCommands, *events: Event) -> str:
    run.say(*events)
    run.poll()
    pending.remove_answered()
    return pending.text


def nudged(command: Command) -> LrSet:
    lrs = {"lrs_before": (0.01,), "lrs_after": (0.0125,), "scale": (1.25,)}
    return LrSet(**AT, **lrs, by="user", command=command.text, command_id=command.id)


def test_nothing_is_pending_at_first() -> None:
    assert PendingCommands().text == ""


def test_each_answer_takes_one_command_away() -> None:
    first, second, third = commands = ScaleLr(1.25), ScaleLr(1.25), ScaleLr(0.8)
    run, pending = given(*commands)
    assert after(run, pending) == "2 x lr*1.25, lr*0.8 …"
    assert after(run, pending, nudged(second)) == "lr*1.25, lr*0.8 …"
    assert after(run, pending, nudged(third), nudged(first)) == ""


def test_a_refusal_is_an_answer() -> None:
    command = ScaleLr(1.25)
    run, pending = given(command)
    refused = CommandRefused(**AT, command=command.text, reason="the lr is 0", command_id=command.id)
    assert after(run, pending, refused) == ""


def test_a_switch_a_pause_and_a_stop_are_answered_by_their_events() -> None:
    switch = SwitchSchedule("StepLR(3)", "base")
    run, pending = given(switch)
    switched = ScheduleSwitched(
        **AT,
        schedule="StepLR(3)",
        anchor="base",
        lrs_before=(0.01,),
        lrs=(0.01,),
        command=switch.text,
        command_id=switch.id,
    )
    assert after(run, pending, switched) == ""
    pause = Pause()
    run, pending = given(pause)
    assert after(run, pending) == "pause …"
    assert after(run, pending, Paused(**AT, command_id=pause.id)) == ""
    pending.add(run, Resume())
    assert after(run, pending) == "resume …"
    pending.add(run, Stop())
    assert after(run, pending, RunFinished(**AT, outcome="stopped")) == ""


def test_extending_testing_and_saving_are_answered_while_the_run_continues() -> None:
    extend, evaluate, save = commands = Extend(2), EvaluateNow(), SaveCheckpoint()
    run, pending = given(*commands)
    assert after(run, pending) == "extend 2, evaluate, checkpoint …"
    extended = Extended(**AT, epochs=12, total_steps=120, command=extend.text, command_id=extend.id)
    assert after(run, pending, extended) == "evaluate, checkpoint …"
    started = EvaluationStarted(**AT, epoch=3, command=evaluate.text, command_id=evaluate.id)
    assert after(run, pending, started) == "checkpoint …"
    saved = CheckpointSaved(**AT, path="x.pt", reason="command", command_id=save.id)
    assert after(run, pending, saved) == ""
