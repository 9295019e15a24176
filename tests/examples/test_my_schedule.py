"""A custom scheduler class from a file, previewed and trained with."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import run_events, tiny_spec

from lrtui.run.commands import ScaleLr, SwitchSchedule
from lrtui.run.errors import NotationError
from lrtui.run.events import ScheduleSwitched, StepDone
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

FILE = Path(__file__).parents[2] / "examples" / "my_schedule.py"
WARM = f"{FILE}:WarmUpInverseSqrt(warm_up=4, per='batch')"


def test_its_preview_matches_a_run() -> None:
    preview = simulate(parse_schedule(WARM), parse_optimizer("Adam(lr=0.01)"), Horizon(4, 6))[:, 0]
    assert preview[:5].tolist() == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01 * (4 / 5) ** 0.5])
    events = run_events(tiny_spec(schedule=WARM), {7: [ScaleLr(2.0)]})
    used = [event.lrs[0] for event in events if isinstance(event, StepDone)]
    assert used == preview[:7].tolist() + [lr * 2.0 for lr in preview[7:].tolist()]


def test_a_run_can_be_switched_to_it_and_it_can_be_inside_another() -> None:
    nested = f"SequentialLR([ConstantLR(), {FILE}:WarmUpInverseSqrt(4)], [2])"
    events = run_events(tiny_spec(), {5: [SwitchSchedule(WARM)], 9: [SwitchSchedule(nested, "start")]})
    assert [event.step for event in events if isinstance(event, ScheduleSwitched)] == [5, 9]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{FILE}:Nothing()", "has no Nothing"),
        (f"{FILE}:annotations()", "is no class and no function"),
        ("no_such_file.py:X()", "there is no file no_such_file.py"),
        ("no_such_module:X()", "can't be imported"),
        (f"{FILE}:WarmUpInverseSqrt(peak=3)", "unexpected keyword argument 'peak'"),
    ],
)
def test_a_mistake_in_it_is_reported(text: str, words: str) -> None:
    with pytest.raises(NotationError, match=words):
        simulate(parse_schedule(text), parse_optimizer("Adam(lr=0.01)"), Horizon(1, 1))


def test_a_file_that_fails_is_reported_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('no luck')")
    with pytest.raises(NotationError, match=r"broken\.py fails when it is run: RuntimeError: no luck"):
        simulate(parse_schedule(f"{tmp_path}/broken.py:X()"), parse_optimizer("SGD()"), Horizon(1, 1))
