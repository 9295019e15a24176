"""The lr control compared with a reference implementation, step by step, over random sequences of commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from lr_sessions import ALL, Session, Used, expected_course, session_of
from reference_lr import momenta
from training_runs import run_events, tiny_spec

import lrtui.training.train
from lrtui.run.commands import EvaluateNow, Pause, Resume, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import CommandRefused, EvalDone, EvaluationStarted, Event, LrSet, ScheduleSwitched, StepDone
from lrtui.training.loop import Loop

# -- comparison with the reference ------------------------------------------------------------------------------------


class UsedByTheOptimizer:
    """Records the lr and momenta of a run's optimizer at each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[Used] = []
        catcher = self

        class CaughtLoop(Loop):
            def __init__(self, setup: Any, *rest: Any) -> None:
                setup.optimizer.register_step_pre_hook(catcher.note)
                super().__init__(setup, *rest)

        monkeypatch.setattr(lrtui.training.train, "Loop", CaughtLoop)

    def note(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        self.steps.append((tuple(group["lr"] for group in optimizer.param_groups), momenta(optimizer)))


def results_of_epochs(events: Sequence[Event]) -> list[dict[str, float]]:
    """Return the results of the tests at the epochs' ends; schedules don't follow tests on demand."""
    results, on_demand = [], False
    for event in events:
        if isinstance(event, EvaluationStarted):
            on_demand = bool(event.command)
        elif isinstance(event, EvalDone) and not on_demand and not event.averaged:
            assert event.accuracy is not None
            results.append({"loss": event.loss, "accuracy": event.accuracy})
    return results


def compare(session: Session, used: list[Used]) -> str:
    """Run a session and compare it with the reference; return its outcome.

    Args:
        used: the settings of the run's optimizer, filled in while it runs.
    """
    used.clear()
    spec = tiny_spec(
        schedule=str(session.plan),
        optimizer=str(session.optimizer),
        epochs=session.epochs,
        batch_size=session.batch_size,
    )
    events = run_events(spec, {step: [command for command, _ in said] for step, said in session.orders.items()})
    told = [event.lrs for event in events if isinstance(event, StepDone)]
    ending = str(getattr(events[-1], "outcome", None))
    # a loss that is not finite ends a run early, at a step that lr control doesn't determine
    steps = len(told) if ending == "diverged" else session.epochs * session.batches
    course = expected_course(session, results_of_epochs(events), steps)
    assert ending in (course.ending, "diverged"), getattr(events[-1], "error", None)
    assert used[: len(course.used)] == course.used
    assert len(used) == len(course.used) or ending == "diverged"
    assert told == [lrs for lrs, _ in course.used][: len(told)]
    assert len(told) == steps or ending == "failed"
    answers = [
        (event.step, event.lrs_after if isinstance(event, LrSet) else event.lrs)
        for event in events
        if isinstance(event, ScheduleSwitched) or (isinstance(event, LrSet) and event.by != "plateau")
    ]
    assert answers == course.answers
    refused = [
        (event.step, event.command)
        for event in events
        if isinstance(event, CommandRefused) and not event.reason.startswith("the run is over")
    ]
    assert refused == course.refused
    return ending


def compare_all(seeds: range, monkeypatch: pytest.MonkeyPatch) -> None:
    used = UsedByTheOptimizer(monkeypatch).steps
    endings: Counter[str] = Counter()
    for seed in seeds:
        session = session_of(seed)
        try:
            endings[compare(session, used)] += 1
        except AssertionError as error:
            error.add_note(f"seed {seed}: {session}")
            raise
    # if most runs ended early, little would be compared
    assert endings["done"] > 0.85 * len(seeds), endings


@pytest.mark.parametrize("block", [*range(4), *(pytest.param(block, marks=pytest.mark.deep) for block in range(4, 10))])
def test_lrs_equal_the_reference_at_every_step(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_all(range(block * 100, block * 100 + 100), monkeypatch)


@pytest.mark.deep
@pytest.mark.parametrize("block", range(20))
def test_lrs_equal_the_reference_ten_thousand_times(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_all(range(1000 + block * 500, 1500 + block * 500), monkeypatch)


def test_the_random_sequences_have_every_schedule_anchor_and_command_in_them() -> None:
    seen: Counter[str] = Counter()
    for session in map(session_of, range(1000)):
        seen[session.plan.name] += 1
        for command, plan in (order for said in session.orders.values() for order in said):
            seen[type(command).__name__] += 1
            if isinstance(command, SwitchSchedule) and plan is not None:
                seen.update([command.anchor, f"to {plan.name}", f"per {plan.unit}"])
    wanted = [*ALL, *(f"to {name}" for name in ALL), "base", "current", "start", "per batch", "per epoch"]
    wanted += [kind.__name__ for kind in (ScaleLr, SetLr, UndoLr, SwitchSchedule, Pause, Resume, EvaluateNow)]
    assert [name for name in wanted if seen[name] < 30] == []
