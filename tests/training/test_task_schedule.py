"""A task may have the schedule of the runs whose settings name none."""

from __future__ import annotations

from typing import Any

from tiny_task import Tiny
from training_runs import run_events, tiny_spec

from lrtui.analysis.race.plan import Entrant
from lrtui.cli.options import read_spec
from lrtui.run.events import Notice, RunFinished, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon


def outcome(task: Any, **settings: Any) -> tuple[str | None, str | None]:
    """Return the schedule of a run, and its error."""
    events = run_events(tiny_spec(epochs=1, **settings), task=task)
    end = events[-1]
    assert isinstance(end, RunFinished)
    return next((event.spec.schedule for event in events if isinstance(event, RunStarted)), None), end.error


class Own(Tiny):
    schedule: Any = "StepLR(3)"


class ByLength(Tiny):
    def schedule(self, horizon: Horizon) -> str:
        return f"OneCycleLR(max_lr=0.1, total_steps={horizon.total_steps})"


def test_a_run_without_a_schedule_takes_the_one_of_its_task() -> None:
    assert outcome(Own()) == ("StepLR(step_size=3)", None)
    assert outcome(Own(), schedule="StepLR(2)") == ("StepLR(step_size=2)", None)
    assert outcome(ByLength()) == ("OneCycleLR(max_lr=0.1, total_steps=6)", None)
    assert outcome(ByLength(), max_steps=4) == ("OneCycleLR(max_lr=0.1, total_steps=4)", None)
    assert outcome(Tiny()) == ("ExponentialLR(gamma=0.1)", None)


def test_a_named_schedule_wins_even_if_it_is_that_of_the_default() -> None:
    text = "ExponentialLR(gamma=0.1)"
    insisting = f"torch.optim.lr_scheduler.{text}"
    assert outcome(Own(), schedule=text)[0] == "StepLR(step_size=3)"
    # stored like this, it wins in a resumed run as well
    assert outcome(Own(), schedule=insisting)[0] == insisting
    assert outcome(Tiny(), schedule=insisting)[0] == text
    task = {"task": "mine.py:Own"}
    assert read_spec(task, text).schedule == Entrant(text).spec(RunSpec(**task), 0, "a").schedule == insisting
    assert read_spec(task, None).schedule == read_spec({}, text).schedule == text


def test_the_log_says_where_the_schedule_comes_from() -> None:
    events = run_events(tiny_spec(epochs=1), task=Own())
    assert "schedule: StepLR(step_size=3) from the task" in [e.text for e in events if isinstance(e, Notice)]


def test_a_schedule_that_is_none_is_refused() -> None:
    task = Own()
    task.schedule = 3
    assert "the schedule of Own" in str(outcome(task)[1])
    task.schedule = "StepLRR(3)"
    assert "unknown schedule StepLRR" in str(outcome(task)[1])
    task.schedule = lambda horizon: 1 / 0
    assert "schedule(horizon) fails: ZeroDivisionError" in str(outcome(task)[1])
