from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.errors import NotationError
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.command_notation import parse_command
from lrtui.schedules.script import parse_script_line, read_script

COMMANDS: list[tuple[str, Command]] = [
    ("lr=0.001", SetLr(0.001)),
    ("lr = 1e-3", SetLr(0.001)),
    ("lr=0", SetLr(0.0)),
    ("lr=0.5 group=1", SetLr(0.5, 1)),
    ("lr*0.5", ScaleLr(0.5)),
    (" lr * 2 ", ScaleLr(2.0)),
    ("undo", UndoLr()),
    ("evaluate", EvaluateNow()),
    ("checkpoint", SaveCheckpoint()),
    ("extend 3", Extend(3)),
    (" extend  12 ", Extend(12)),
    ("pause", Pause()),
    ("resume", Resume()),
    ("stop", Stop()),
    ("OneCycleLR(max_lr=0.003)", SwitchSchedule("OneCycleLR(max_lr=0.003)", "base")),
    ("OneCycleLR(max_lr=0.003) from base", SwitchSchedule("OneCycleLR(max_lr=0.003)", "base")),
    ("StepLR(3) from current", SwitchSchedule("StepLR(3)", "current")),
    ("StepLR(3)  from  start ", SwitchSchedule("StepLR(3)", "start")),
    ("mine.py:Mine(3) from start", SwitchSchedule("mine.py:Mine(3)", "start")),
    ("scheduler = StepLR(optimizer, 3)", SwitchSchedule("scheduler = StepLR(optimizer, 3)", "base")),
]


@pytest.mark.parametrize(("text", "command"), COMMANDS)
def test_every_form_of_a_command_is_read(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize("command", [command for _, command in COMMANDS])
def test_the_text_of_a_command_parses_back(command: Command) -> None:
    assert parse_command(command.text) == command


@given(st.floats(0, 1e300, allow_nan=False), st.none() | st.integers(0, 9))
def test_every_lr_is_read_back_to_the_bit(lr: float, group: int | None) -> None:
    assert parse_command(SetLr(lr, group).text) == SetLr(lr, group)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "the command is empty; write one of SCHEDULE"),
        ("undoo", 0, "unknown command undoo; did you mean undo?"),
        ("checkpont", 0, "unknown command checkpont; did you mean checkpoint?"),
        ("extent", 0, "unknown command extent; did you mean extend?"),
        ("extend", 6, "extend N takes a whole number of epochs of at least 1, not nothing"),
        ("extend 0", 7, "of at least 1, not 0"),
        ("extend -2", 7, "not -2"),
        (" extend 1.5", 8, "not 1.5"),
        ("extend 2 3", 7, "not 2 3"),
        ("extend 99999999", 7, "not 99999999"),
        ("StepLR", 0, "unknown command StepLR; write StepLR(step_size=3"),
        ("lr*0", 3, "lr*X takes a finite number above 0, not 0"),
        ("lr*-1", 3, "above 0, not -1"),
        ("lr*nan", 3, "above 0, not nan"),
        ("lr=", 3, "lr=X takes a finite number of at least 0, not nothing"),
        ("lr=1e999", 3, "of at least 0, not 1e999"),
        ("lr=half", 3, "not half"),
        ("lr/2", 2, "write lr*0.5 to halve the lr"),
        ("lr=1 group=x", 11, "group=N takes the index of a parameter group"),
        ("lr*2 group=1", 11, "lr*X changes all parameter groups"),
        ("StepLR(3) from currant", 15, "unknown anchor 'currant'; did you mean current?"),
        ("StepLR(3) from", None, ""),
        ("StepLR(step=3)", 7, "StepLR has no argument step; did you mean step_size?"),
        ("StepLR(0) from start", 7, "step_size takes a whole number of at least 1"),
    ],
)
def test_an_invalid_command_is_refused_at_the_position_of_the_error(
    text: str, position: int | None, message: str
) -> None:
    with pytest.raises(NotationError) as caught:
        parse_command(text)
    assert message in str(caught.value)
    assert caught.value.text == text
    if position is not None:
        assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "a moment is epoch N"),
        ("epock 3: undo", 0, "not epock; did you mean epoch?"),
        ("epoch: undo", 5, "epoch takes a whole number of at least 1, not nothing"),
        ("epoch 0: undo", 6, "at least 1, not 0"),
        ("step -1: undo", 5, "at least 0, not -1"),
        ("step 1.5: undo", 5, "not 1.5"),
        ("step 9999999999999: undo", 5, "not 9999999999999"),
        ("step 5 undo", 7, "write a colon between the moment and the command"),
        ("step 5: lr*0", 11, "above 0, not 0"),
        ("step 5: pause", 7, "a script can't pause a run"),
        ("epoch 2: StepLR(3, step_size=4)", 19, "step_size is given twice"),
        ("epoch 11: undo", 0, "the run has 10 epochs"),
        ("step 50: undo", 0, "the run has 50 steps; the last one is step 49"),
    ],
)
def test_an_invalid_line_of_a_script_is_refused_at_the_position_of_the_error(
    text: str, position: int, message: str
) -> None:
    with pytest.raises(NotationError) as caught:
        read_script([text], 10, 5)
    assert message in str(caught.value)
    assert (caught.value.text, caught.value.position) == (text, position)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.name)
@pytest.mark.parametrize("anchor", ["base", "current", "start"])
def test_every_schedule_and_anchor_has_its_line(entry: object, anchor: str) -> None:
    example = entry.example  # type: ignore[attr-defined]
    line = parse_script_line(f"epoch 4: {example} from {anchor}")
    assert line.command == SwitchSchedule(example, anchor)
    assert line.step(batches_per_epoch=100) == 300


def test_lines_before_the_start_step_are_left_out() -> None:
    lines = read_script(["step 2: lr*2", "step 10: lr*3"], 4, 5, start_step=7)
    assert [line.text for line in lines] == ["step 10: lr*3"]


def test_a_script_that_extends_its_run_may_have_lines_in_the_added_epochs() -> None:
    assert [
        line.text for line in read_script(["step 3: extend 2", "epoch 12: undo", "step 55: checkpoint"], 10, 5)
    ] == [
        "step 3: extend 2",
        "epoch 12: undo",
        "step 55: checkpoint",
    ]
    with pytest.raises(NotationError, match="the run has 12 epochs"):
        read_script(["step 3: extend 2", "epoch 13: undo"], 10, 5)


def test_moments_are_not_checked_without_a_number_of_epochs() -> None:
    assert len(read_script(["step 5000: undo", "epoch 2: undo"], None, 5)) == 2
