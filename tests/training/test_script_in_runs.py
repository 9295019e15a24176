"""`--at` repeats a whole session of user commands without a user."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from training_runs import TINY, run_events, tiny_spec

from lrtui.__main__ import main
from lrtui.run.commands import Command, EvaluateNow, Extend, Pause, Resume, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import (
    CommandRefused,
    EvalDone,
    LrSet,
    Notice,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.run.state import RunState
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.script import spec_as_done

MY_SCHEDULE = Path(__file__).parents[2] / "examples" / "my_schedule.py"


def of(kind: type[Any], events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def course(events: list[Any]) -> list[Any]:
    return [(event.loss, event.lrs) for event in of(StepDone, events)]


def test_each_form_is_done_at_its_moment() -> None:
    script = (
        "epoch 2: OneCycleLR(max_lr=0.003) from base",
        "step 8: lr*0.5",
        "step 9: lr=0.125",
        "step 10: undo",
        "step 12: CosineAnnealingLR() from current",
        "step 14: StepLR(step_size=1) from start",
        "step 15: evaluate",
        "step 20: stop",
    )
    events = run_events(tiny_spec(at=script))
    assert [(e.step, e.schedule, e.anchor) for e in of(ScheduleSwitched, events)] == [
        (6, "OneCycleLR(max_lr=0.003, total_steps=18)", "base"),
        (12, "CosineAnnealingLR(T_max=2)", "current"),
        (14, "StepLR(step_size=1)", "start"),
    ]
    assert [(e.step, e.by, e.command) for e in of(LrSet, events)] == [
        (8, "user", "lr*0.5"),
        (9, "user", "lr=0.125"),
        (10, "undo", "undo"),
    ]
    assert of(LrSet, events)[1].lrs_after == (0.125,)
    assert [e.step for e in of(EvalDone, events)] == [6, 12, 15, 18]
    assert len(of(StepDone, events)) == 20
    assert events[-1].outcome == "stopped"


@pytest.mark.parametrize(
    ("schedule", "line", "message"),
    [
        (
            "PolynomialLR(total_iters=2)",
            "epoch 4: CosineAnnealingLR() from current",
            "--at: CosineAnnealingLR() from current at step 18: the lr is 0 at this point, and CosineAnnealingLR() "
            "from current would leave it at 0: switch from base instead",
        ),
        ("PolynomialLR(total_iters=2)", "step 13: lr=0.001", "--at: lr=0.001 at step 13: the schedule's lr is 0"),
        ("LinearLR(1.0, 0.0, total_iters=12, per='batch')", "step 12: StepLR(1) from current", "switch from base"),
        ("PolynomialLR(total_iters=2)", "epoch 4: ReduceLROnPlateau() from current", "switch from base"),
    ],
)
def test_a_command_that_would_meet_an_lr_of_0_is_refused_before_training(
    schedule: str, line: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--task", TINY, "--batch-size", "16", "--epochs", "5", "--store", "none"]
    assert main(["train", schedule, *arguments, "--at", line]) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert "Train Epoch" not in out


TO_ZERO = "LambdaLR('max(0, 1 - epoch / 2)')"
MY_CLASS = f"{MY_SCHEDULE}:WarmUpInverseSqrt(warm_up=2)"


@pytest.mark.parametrize(
    ("schedule", "script"),
    [
        (TO_ZERO, ("epoch 3: CosineAnnealingLR() from current", "epoch 4: stop")),
        ("ReduceLROnPlateau()", (f"epoch 2: {TO_ZERO} from base", "epoch 4: CosineAnnealingLR() from current")),
        (MY_CLASS, (f"epoch 2: {TO_ZERO} from base", "epoch 4: ReduceLROnPlateau() from current")),
        (f"{TO_ZERO[:-1]}, per='batch')", ("step 60000: StepLR(1) from current",)),
    ],
)
def test_a_switch_at_an_lr_of_0_is_refused_whatever_the_rest_of_the_script_is(
    schedule: str, script: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--task", TINY, "--batch-size", "16", "--epochs", "20000", "--store", "none"]
    assert main(["train", schedule, *arguments, *(part for line in script for part in ("--at", line))]) == 2
    out, err = capsys.readouterr()
    assert "the lr is 0 at this point" in err
    assert "switch from base instead" in err
    assert "Train Epoch" not in out


def test_a_switch_at_an_lr_of_0_to_a_users_class_gets_a_warning_before_the_run_and_when_it_is_made() -> None:
    events = run_events(tiny_spec(schedule=TO_ZERO, at=(f"epoch 4: {MY_CLASS} from current",)))
    warnings = [(event.step, event.text) for event in of(Notice, events) if event.level == "warning"]
    assert [step for step, _ in warnings] == [0, 18]
    assert warnings[0][1].startswith(f"--at: {MY_CLASS} from current at step 18: the lr is 0 at this point")
    assert all("switch from base instead" in text for _, text in warnings)
    other = run_events(tiny_spec(schedule=TO_ZERO, at=(f"epoch 4: {MY_CLASS} from base",)))
    assert not [event for event in of(Notice, other) if event.level == "warning"]


@pytest.mark.parametrize(
    "script",
    [
        ("epoch 4: CosineAnnealingLR() from base",),
        ("epoch 2: CosineAnnealingLR() from current",),
        ("epoch 2: StepLR(3) from base", "epoch 4: CosineAnnealingLR() from current"),
        ("epoch 4: stop", "epoch 4: CosineAnnealingLR() from current"),
    ],
)
def test_a_script_that_works_is_not_refused(script: tuple[str, ...]) -> None:
    events = run_events(tiny_spec(schedule="PolynomialLR(total_iters=2)", at=script))
    assert events[-1].outcome in ("done", "stopped")
    assert not of(CommandRefused, events)


@pytest.mark.parametrize("anchor", ["base", "current", "start"])
@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
def test_a_scripted_switch_is_a_live_one(entry: Any, anchor: str) -> None:
    live = run_events(tiny_spec(), {9: [SwitchSchedule(entry.example, anchor)]})
    scripted = run_events(tiny_spec(at=(f"step 9: {entry.example} from {anchor}",)))
    assert course(scripted) == course(live)
    assert of(ScheduleSwitched, live)[0].anchor == anchor


LIVE: Sequence[Command] = [
    ScaleLr(1.25),
    ScaleLr(0.8),
    SetLr(0.02),
    UndoLr(),
    EvaluateNow(),
    Pause(),
    Resume(),
    SwitchSchedule("StepLR(step_size=1, gamma=0.5)", "current"),
    SwitchSchedule("OneCycleLR(max_lr=0.05)", "base"),
    SwitchSchedule("ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.5)", "start"),
]


@pytest.mark.parametrize("seed", range(25))
def test_a_session_is_repeated_by_its_spec_as_done(seed: int) -> None:
    chance = random.Random(seed)
    script: dict[int, list[Command]] = {}
    for _ in range(chance.randint(1, 8)):
        command = chance.choice(LIVE)
        script.setdefault(chance.randrange(24), []).extend([command, Resume()] if command == Pause() else [command])
    live = run_events(
        tiny_spec(schedule="ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.5)"),
        script,
        meets_tests=seed % 2 == 0,
    )
    state = RunState()
    state.fold(live)
    spec = spec_as_done(state)
    assert spec is not None
    again = run_events(spec)
    assert course(again) == course(live)
    assert of(EvalDone, again)[-1].loss == of(EvalDone, live)[-1].loss
    repeated = RunState()
    repeated.fold(again)
    assert spec_as_done(repeated) == spec


@pytest.mark.parametrize("command", [SetLr(0.02), ScaleLr(2.0), SwitchSchedule("StepLR(step_size=1, gamma=0.5)")])
def test_what_was_done_during_a_test_is_repeated_in_it(command: Command) -> None:
    # a command for the last step of an epoch arrives during the test, which takes commands as well
    live = run_events(tiny_spec(schedule="ExponentialLR(gamma=0.5)"), {12: [command]}, meets_tests=True)
    state = RunState()
    state.fold(live)
    assert state.commands[0].line.startswith("test 2: ")
    spec = spec_as_done(state)
    assert spec is not None
    assert course(run_events(spec)) == course(live)


def test_what_a_stopped_run_had_still_to_do_stays_in_its_spec() -> None:
    events = run_events(tiny_spec(at=("step 3: lr*0.5", "step 20: lr*0.25")), {5: [ScaleLr(2.0)]})
    state = RunState()
    state.fold(event for event in events if event.step <= 8 and not isinstance(event, RunFinished))
    spec = spec_as_done(state)
    assert spec is not None
    assert spec.at == ("step 3: lr*0.5", "step 5: lr*2.0", "step 20: lr*0.25")


def test_a_line_that_is_impossible_at_its_moment_is_refused_and_training_continues() -> None:
    events = run_events(tiny_spec(at=("step 3: undo",)))
    assert [(e.command, e.step) for e in of(CommandRefused, events)] == [("undo", 3)]
    assert events[-1].outcome == "done"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("step 24: undo", "the run has 24 steps"),
        ("epoch 2: LambdaLR(['1', '1', '1'])", "Expected 1 lr_lambdas"),
        ("epoch 2: ReduceLROnPlateau(metric='f1')", "follows the test's f1"),
        ("step 2: lr=0.1 group=1", "no parameter group 1: the optimizer has 1, numbered from 0"),
    ],
)
def test_a_line_that_can_never_be_is_refused_before_the_first_batch(line: str, words: str) -> None:
    events = run_events(tiny_spec(at=(line,)))
    assert not of(StepDone, events)
    assert words in events[-1].error


def test_on_the_command_line_it_may_be_given_again_and_again(capsys: pytest.CaptureFixture[str]) -> None:
    spec = tiny_spec()
    words = ["train", "StepLR(1)", "--task", spec.task, "--batch-size", "16", "--epochs", "3", "--json"]
    status = main([*words, "--at", "epoch 2: OneCycleLR(max_lr=0.003) from base", "--at", "step 8: lr*0.5"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 0
    started = next(event for event in events if event["event"] == "run_started")
    assert started["spec"]["at"] == ["epoch 2: OneCycleLR(max_lr=0.003) from base", "step 8: lr*0.5"]
    assert [e["step"] for e in events if e["event"] in ("schedule_switched", "lr_set")] == [6, 8]


def test_a_word_that_is_off_has_its_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "StepLR(1)", "--at", "epoch 2: OneCicleLR(max_lr=0.003)"]) == 2
    message = capsys.readouterr().err
    assert "^ unknown schedule OneCicleLR; did you mean OneCycleLR?" in message
    assert message.splitlines()[2].index("^") == message.splitlines()[1].index("OneCicleLR")


def test_the_spec_of_a_run_with_a_script_survives_json() -> None:
    from lrtui.run.event_json import event_from_json, event_to_json

    started = of(RunStarted, run_events(tiny_spec(at=("step 3: lr*0.5",), epochs=1)))[0]
    read = event_from_json(json.loads(json.dumps(event_to_json(started))))
    assert read == started
    assert read.spec.at == ("step 3: lr*0.5",)  # type: ignore[attr-defined]


def test_a_run_that_was_made_longer_is_repeated_by_its_spec_as_done() -> None:
    events = run_events(tiny_spec(epochs=2, schedule='LambdaLR("1")'), {5: [Extend(1)]})
    state = RunState()
    state.fold(events)
    done = spec_as_done(state)
    assert done is not None
    assert (done.epochs, done.at) == (2, ("step 5: extend 1",))
    assert len(run_events(done)) == len(events)
    assert state.step == 18
