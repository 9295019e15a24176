"""The public names of `lrtui`, and runs that are started, watched and controlled with them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_task import Breaks, Tiny
from torch.optim.lr_scheduler import StepLR
from training_runs import TINY

import lrtui
from lrtui import (
    CommandRefused,
    EvalDone,
    Extend,
    Horizon,
    LrSet,
    LrtuiError,
    NotationError,
    Paused,
    Run,
    RunFinished,
    RunSpec,
    ScaleLr,
    ScheduleSwitched,
    SetLr,
    StepDone,
    Stop,
    TaskError,
    UsageError,
    event_from_json,
    event_to_json,
    parse_command,
    parse_optimizer,
    parse_schedule,
    simulate,
    spec_as_done,
)

STEP_LR = parse_schedule("StepLR(3)")

SMALL: dict[str, Any] = {"batch_size": 16, "epochs": 3}


def test_all_lists_exactly_the_public_names() -> None:
    stub = ast.parse((Path(lrtui.__file__).parent / "__init__.pyi").read_text())
    imported = {
        name.asname or name.name for node in stub.body if isinstance(node, ast.ImportFrom) for name in node.names
    }
    listed = next(ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign))
    assert set(listed) == imported == set(lrtui.__all__)
    assert listed == sorted(listed)
    for name in lrtui.__all__:
        found = getattr(lrtui, name)
        assert found.__doc__, f"{name} is public and has no docstring"
        assert found.__name__ == name
    # no other public attribute exists
    public = {name for name in dir(lrtui) if not name.startswith("_")}
    modules = {path.stem for path in Path(lrtui.__file__).parent.iterdir()}
    assert public - modules - {"lazy_loader"} == set(lrtui.__all__)


def test_every_event_command_and_error_is_public() -> None:
    from lrtui.run import commands, errors
    from lrtui.run.event_json import EVENT_CLASSES

    classes = [*EVENT_CLASSES.values()]
    for module, root in ((commands, commands.Command), (errors, errors.LrtuiError)):
        classes += [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, root)]
    # RangeTest answers through a feed of the cockpit, and scripts use lrtui find; Hold is sent by `Run.between_steps`
    assert {each.__name__ for each in classes} - {"RangeTest", "Hold"} <= set(lrtui.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = lrtui.Nothing  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        exec("from lrtui import Nothing")


def test_the_ten_line_example_in_the_docstring_runs(tmp_path: Path) -> None:
    text = str(lrtui.__doc__)
    code = text[text.index("```") + 3 :].split("```")[0]
    small = code.replace("epochs=5", f"epochs=3, batch_size=16, task={TINY!r}")
    assert small != code
    assert len(code.strip().splitlines()) <= 10
    done = subprocess.run([sys.executable, "-c", small], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("accuracy") == 4


def test_a_run_is_watched_to_its_end_and_takes_commands_as_text() -> None:
    run = Run(RunSpec(schedule='LambdaLR("1")', **SMALL), Tiny())
    # paused first: so small a run would end before a command reached it
    run.send("pause")
    seen = []
    for event in run.start():
        seen.append(event)
        assert run.state.version == len(seen)
        if isinstance(event, Paused):
            run.send("lr*0.5")
            run.send(ScaleLr(4.0))
            run.send("undo")
            run.send("CosineAnnealingLR() from current")
            run.send("pause")
            run.send("resume")
    assert isinstance(seen[-1], RunFinished)
    assert [type(e) for e in seen if isinstance(e, (LrSet, ScheduleSwitched, CommandRefused))] == [
        LrSet,
        LrSet,
        LrSet,
        ScheduleSwitched,
        CommandRefused,
    ]
    state = run.result()
    assert state.status == "done"
    assert len(state.evaluations) == 3
    done = spec_as_done(state)
    assert done is not None
    assert [line.split(": ", 1)[1] for line in done.at][-1] == "CosineAnnealingLR() from current"
    assert not run.is_live


def test_a_run_continues_after_the_loop_over_its_events_is_left() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", **SMALL), Tiny()).start()
    for event in run:
        if isinstance(event, StepDone):
            break
    assert len(run.result().loss) == 18


def test_the_result_of_a_failed_run_raises_its_error() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", **SMALL), Breaks()).start()
    with pytest.raises(TaskError, match=r"this loss is broken.*tiny_task.py"):
        run.result()
    with pytest.raises(UsageError, match=r"there is no file nowhere\.py"):
        Run(RunSpec(task="nowhere.py:X")).start().result()


def test_a_stopped_run_has_a_result() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", batch_size=16, epochs=1000), Tiny()).start()
    for event in run:
        if isinstance(event, EvalDone):
            run.send("stop")
    assert run.result().status == "stopped"


def test_invalid_commands_and_settings_are_refused_at_once() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", **SMALL), Tiny())
    with pytest.raises(NotationError, match="did you mean undo"):
        run.send("udno")
    run.start()
    with pytest.raises(UsageError, match="this run has already been started"):
        run.start()
    run.result()
    with pytest.raises(LrtuiError):
        RunSpec(epochs=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RunSpec(epochs="3"), "RunSpec(): epochs must be a whole number, not '3' (str)"),
        (lambda: RunSpec(epochs=3.0), "RunSpec(): epochs must be a whole number, not 3.0 (float)"),
        (lambda: RunSpec(batch_size=None), "RunSpec(): batch_size must be a whole number, not None"),
        (lambda: RunSpec(seed=True), "RunSpec(): seed must be a whole number, not True (bool)"),
        (lambda: RunSpec(clip_grad_norm="1"), "RunSpec(): clip_grad_norm must be a number, or None, not '1' (str)"),
        (lambda: RunSpec(at="stop"), 'RunSpec(): at must be a tuple of strings, such as ("epoch 3: lr*0.5",), not'),
        (lambda: RunSpec(store=Path("x")), "RunSpec(): store must be text, or None, not PosixPath('x') (PosixPath)"),
        (
            lambda: RunSpec(schedule=StepLR),
            "RunSpec(): schedule must be text, such as 'ExponentialLR(gamma=0.1)', not ",
        ),
        (lambda: parse_schedule(StepLR), "parse_schedule(): text must be the schedule as text, not the class StepLR"),
        (lambda: parse_optimizer(None), "parse_optimizer(): text must be the optimizer as text, not None"),
        (
            lambda: parse_command(3),
            'parse_command(): text must be the text of a command, such as "lr*0.5", not 3 (int)',
        ),
        (lambda: simulate("StepLR(3)", None, None), "simulate(): schedule must be a Schedule, such as parse_schedule("),
        (lambda: simulate(STEP_LR, "SGD(lr=1)", None), "simulate(): optimizer must be such as parse_optimizer("),
        (
            lambda: simulate(STEP_LR, parse_optimizer("SGD(lr=1)"), 3),
            "simulate(): horizon must be a Horizon, not 3 (int)",
        ),
        (lambda: spec_as_done(Run(RunSpec())), "spec_as_done(): state must be a RunState, such as run.state, not "),
        (lambda: event_to_json("x"), "event_to_json(): event must be an event, not 'x' (str)"),
        (
            lambda: event_from_json("x"),
            "event_from_json(): record must be a mapping, as event_to_json returns it, not ",
        ),
        (lambda: SetLr("3"), "SetLr(): lr must be a number, not '3' (str)"),
        (lambda: Extend(1.5), "Extend(): epochs must be a whole number, not 1.5 (float)"),
        (lambda: Stop(3), "Stop(): because must be text, not 3 (int)"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(call: Any, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        call()


def test_the_spec_has_the_name_of_a_task_given_as_an_object() -> None:
    assert Run(RunSpec(), Tiny()).spec.task == "tiny_task:Tiny"


def test_a_schedule_can_be_parsed_and_simulated_without_a_run() -> None:
    schedule = parse_schedule("ExponentialLR(gamma=0.5)")
    lrs = simulate(schedule, parse_optimizer("SGD(lr=1.0)"), Horizon(epochs=3, batches_per_epoch=2))
    assert lrs.tolist() == [[1.0], [1.0], [0.5], [0.5], [0.25], [0.25]]
