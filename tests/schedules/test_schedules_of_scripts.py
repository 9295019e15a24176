"""`script:Name()` stands for a scheduler that only a script has: printed, never imported, refused with a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from generated_code import lrs_of

from lrtui.analysis.checks import check_schedule
from lrtui.analysis.race.plan import check_entrants, parse_entrant
from lrtui.cli.options import check_notation
from lrtui.engine.recording import user_files
from lrtui.engine.run_code import code_of_spec
from lrtui.run.errors import NotationError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.forecast import forecast, request_for_spec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import read_script
from lrtui.training.script_simulation import SimulatedScript

NOTATIONS = (
    "script:LambdaLR()",
    "script:lr()",
    'script:CosineLRScheduler(t_initial=20, lr_min=[0.1, 0.2], last_epoch=7, per="batch")',
    "SequentialLR([script:Mine(), StepLR(step_size=3)], milestones=[4])",
    "PerOptimizer(g=StepLR(step_size=3), d=script:lr())",
)


@pytest.fixture(autouse=True)
def a_module_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module in the working directory that must not be imported."""
    (tmp_path / "script.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize("text", NOTATIONS)
def test_the_notation_is_read_and_printed_without_an_import(text: str) -> None:
    schedule = parse_schedule(text)
    assert str(schedule) == text
    assert schedule.is_of_script
    assert schedule.is_users_own
    assert str(fill_in(schedule, Horizon(3, 5))[0]) == text
    assert user_files(RunSpec(schedule=text, task="script:train.py")) == {}
    assert "script" not in sys.modules


@pytest.mark.parametrize("text", NOTATIONS)
def test_whatever_needs_its_lr_says_where_that_is_known(text: str) -> None:
    optimizer = "task:optimizers(g=task:SGD(lr=0.1), d=task:SGD(lr=0.1))" if "PerOpt" in text else "SGD(lr=0.1)"
    spec = RunSpec(schedule=text, optimizer=optimizer, epochs=5, at=("epoch 2: StepLR(1)",))
    for ask in (
        lambda: forecast(request_for_spec(spec, 4)),
        lambda: check_schedule(parse_schedule(text), parse_optimizer(optimizer), Horizon(5, 4)),
        lambda: SimulatedScript(spec, 4),
        lambda: check_notation(spec),
        lambda: check_entrants([parse_entrant(text), parse_entrant("StepLR(3)")]),
    ):
        with pytest.raises(NotationError, match="is only known where it was recorded"):
            ask()


def test_a_part_of_a_schedule_is_a_placeholder_in_code() -> None:
    text = NOTATIONS[3]
    code = code_of_spec(RunSpec(schedule=text, optimizer="SGD(lr=0.1)", epochs=8), 1)
    assert "put the script's own Mine here" in code
    assert lrs_of(code) == [[0.1]] * 7 + [[0.1 * 0.1]]


def test_a_long_or_nested_notation_is_refused_as_any_other() -> None:
    for text in (f"script:A({'1, ' * 5000})", f"script:A({'[' * 50}{']' * 50})", "script:A(open('x'))", "script:a:B()"):
        with pytest.raises(UsageError):
            parse_schedule(text)
    assert read_script(("epoch 1: script:A()",), 3)
