"""`lrtui check --run`: the findings for a recorded run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from attached_runs import UNKNOWN_LENGTH, attached_run
from command_line import CommandLine
from recorded_runs import lr_at
from store_runs import store_events

from lrtui.run.events import Event, StepDone


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path, capsys)


def with_tenths(event: Event) -> Event:
    """Give a step the lr of ExponentialLR(gamma=0.1)."""
    return replace(event, lrs=(0.01 * 0.1 ** (event.step // 50),)) if isinstance(event, StepDone) else event


def record_tutorial(lrtui: CommandLine) -> None:
    lrtui.record(400, epochs=8, outcome="done", edit=with_tenths)


def test_the_recorded_lr_and_the_known_schedule_are_checked(lrtui: CommandLine) -> None:
    record_tutorial(lrtui)
    answer = lrtui("check", "--run", "last")
    assert answer.status == 1
    assert answer.lines[0].startswith("dead-tail: in the recorded run, from epoch 4 on the lr is 1e-05 or lower")
    assert answer.lines[1] == "  better: ExponentialLR(gamma=0.52)"
    assert "lrtui check --explain CODE" in answer.err


def test_json_has_the_run_and_its_schedule(lrtui: CommandLine) -> None:
    record_tutorial(lrtui)
    found = json.loads(lrtui("check", "--run", "1", "--json").lines[0])
    assert list(found) == ["code", "message", "fix", "schedule", "run", "kind"]
    assert (found["code"], found["schedule"], found["run"]) == ("dead-tail", "ExponentialLR(gamma=0.1)", 1)


def test_a_run_without_problems_exits_with_0(lrtui: CommandLine) -> None:
    lrtui.record(500, outcome="done", epochs=10, schedule="StepLR(step_size=1, gamma=0.5)")
    answer = lrtui("check", "--run", "last")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err == "run #1: ✓ no findings\n"


def test_the_lr_of_a_script_with_an_unknown_schedule_is_checked(lrtui: CommandLine) -> None:
    events = attached_run(800, UNKNOWN_LENGTH, has_length=False, outcome="done")
    store_events(lrtui.folder, events, UNKNOWN_LENGTH)
    assert lr_at(799) < 1e-3 * lr_at(0)
    answer = lrtui("check", "--run", "last")
    assert answer.status == 1
    assert answer.lines[0].startswith("dead-tail: in the recorded run, from step 500 on")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "9"], "there is no run"),
        (["StepLR(3)", "--run", "last"], "--run takes no schedule; lrtui preview SCHEDULE --over RUN"),
        (["--run", "last", "--epochs", "3"], "--epochs can't be combined with --run"),
        (["--run", "last", "--batches-per-epoch", "3"], "--batches-per-epoch can't be combined with --run"),
        (["--run", "last", "--explain", "dead-tail"], "--explain takes a code and no run"),
        (["StepLR(3)"], "--store needs --run"),
    ],
)
def test_options_that_contradict_the_run_are_refused(arguments: list[str], message: str, lrtui: CommandLine) -> None:
    lrtui.record()
    answer = lrtui("check", *arguments)
    assert (answer.status, answer.out) == (2, "")
    assert message in answer.err
