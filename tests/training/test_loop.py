from __future__ import annotations

import itertools
import random
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_tasks import RandomTask
from training_runs import run_events, tiny_spec

import lrtui.training.loop
import lrtui.training.train
from lrtui.distributed.process_group import ProcessGroup
from lrtui.engine.run import Run
from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Pause,
    Resume,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.events import (
    CommandRefused,
    EpochDone,
    EvalDone,
    Event,
    LrSet,
    Notice,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.run.spec import RunSpec
from lrtui.training.clock import PROCESS_TIME
from lrtui.training.loop import Loop
from lrtui.training.loss_buffer import LossBuffer


def of(kind: type[Event], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def numbers(events: list[Event]) -> list[Any]:
    """Return what a run computed, without the times."""
    return [(e.step, e.loss, e.lrs) for e in of(StepDone, events)] + [
        (e.step, e.loss, e.accuracy) for e in of(EvalDone, events)
    ]


def test_a_run_publishes_its_events_in_order() -> None:
    events = run_events(tiny_spec(epochs=2))
    assert [event.seq for event in events] == list(range(len(events)))
    assert all(later.step >= earlier.step for earlier, later in itertools.pairwise(events))
    assert all(later.seconds >= earlier.seconds for earlier, later in itertools.pairwise(events))
    started = of(RunStarted, events)[0]
    assert (started.batches_per_epoch, started.total_steps, started.device) == (6, 12, "cpu")
    assert [(e.epoch, e.batch, e.step) for e in of(StepDone, events)] == [
        (epoch, batch, (epoch - 1) * 6 + batch) for epoch in (1, 2) for batch in range(6)
    ]
    assert [e.step for e in of(EvalDone, events)] == [6, 12]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "done"


def test_the_tutorials_lrs_are_those_that_each_epoch_ended_with() -> None:
    events = run_events(tiny_spec(epochs=3, schedule="ExponentialLR(gamma=0.1)"))
    assert [e.lrs[0] for e in of(EpochDone, events)] == [0.01, 0.01 * 0.1, 0.01 * 0.1 * 0.1]


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others() -> None:
    assert numbers(run_events(tiny_spec())) == numbers(run_events(tiny_spec()))
    assert numbers(run_events(tiny_spec())) != numbers(run_events(tiny_spec(seed=1)))


def test_the_last_batch_of_an_epoch_may_be_smaller() -> None:
    events = run_events(tiny_spec(train_samples=50, epochs=1))
    assert len(of(StepDone, events)) == 4


class Weights:
    """Keeps the model of a run, to read its weights at the end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model: torch.nn.Module | None = None
        catcher = self

        class CaughtLoop(Loop):
            def __init__(self, setup: Any, *rest: Any) -> None:
                catcher.model = setup.model
                super().__init__(setup, *rest)

        monkeypatch.setattr(lrtui.training.train, "Loop", CaughtLoop)

    def digest(self) -> list[float]:
        assert self.model is not None
        return [value for parameter in self.model.parameters() for value in parameter.flatten().tolist()]


def test_the_same_seed_gives_the_same_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = Weights(monkeypatch)
    digests = []
    for seed in (0, 0, 1):
        run_events(tiny_spec(seed=seed, schedule="OneCycleLR(max_lr=0.1)"))
        digests.append(weights.digest())
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("seed", range(4))
def test_tests_and_pauses_do_not_change_the_weights(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = Weights(monkeypatch)
    run_events(tiny_spec())
    alone = weights.digest()
    chance = random.Random(seed)
    script: dict[int, list[Command]] = {}
    for step in chance.sample(range(24), 6):
        script[step] = chance.choice([[EvaluateNow()], [Pause(), EvaluateNow(), Resume()], [Pause(), Resume()]])
    events = run_events(tiny_spec(), script)
    assert weights.digest() == alone
    assert len(of(EvalDone, events)) > 4 or of(Paused, events)


def test_every_command_is_answered_in_order() -> None:
    events = run_events(
        tiny_spec(),
        {
            3: [ScaleLr(2.0)],
            5: [SetLr(0.5)],
            7: [UndoLr(), UndoLr(), UndoLr()],
            9: [SwitchSchedule("CosineAnnealingLR()", "current")],
            11: [Pause(), EvaluateNow(), Pause(), Resume(), Resume()],
        },
    )
    changes = of(LrSet, events)
    assert [(e.step, e.by) for e in changes] == [(3, "user"), (5, "user"), (7, "undo"), (7, "undo")]
    assert changes[0].lrs_before == (0.01,)
    assert changes[0].lrs_after == (0.02,)
    switch = of(ScheduleSwitched, events)[0]
    assert (switch.step, switch.anchor, switch.schedule) == (9, "current", "CosineAnnealingLR(T_max=3)")
    assert switch.lrs_before == (0.001,)
    assert [e.step for e in of(Paused, events) + of(Resumed, events)] == [11, 11]
    assert [(e.command, e.step) for e in of(CommandRefused, events)] == [("undo", 7), ("pause", 11), ("resume", 11)]
    assert [e.step for e in of(EvalDone, events)] == [6, 11, 12, 18, 24]


def test_a_change_holds_from_the_next_step_on() -> None:
    events = run_events(tiny_spec(schedule='LambdaLR("1")'), {3: [ScaleLr(2.0)]})
    assert [e.lrs[0] for e in of(StepDone, events)][:6] == [0.01, 0.01, 0.01, 0.02, 0.02, 0.02]


def test_a_stopped_run_ends_after_the_current_step() -> None:
    events = run_events(tiny_spec(), {8: [Stop()]})
    assert len(of(StepDone, events)) == 8
    assert events[-1].outcome == "stopped"  # type: ignore[attr-defined]


def test_a_stop_while_paused_ends_the_run() -> None:
    events = run_events(tiny_spec(), {8: [Pause(), Stop()]})
    assert events[-1].outcome == "stopped"  # type: ignore[attr-defined]


def test_a_stop_before_the_first_batch_ends_the_run_and_other_commands_wait_for_it() -> None:
    assert run_events(tiny_spec(), {0: [ScaleLr(2.0), Stop()]})[-1].outcome == "stopped"  # type: ignore[attr-defined]
    events = run_events(tiny_spec(epochs=1), {0: [ScaleLr(2.0)]})
    assert of(StepDone, events)[0].lrs == (0.02,)


def test_an_invalid_switch_is_refused_and_training_continues() -> None:
    events = run_events(tiny_spec(), {4: [SwitchSchedule("StepLR()"), SwitchSchedule("StepLR(1)", "elsewhere")]})
    assert ["needs step_size" in e.reason or "unknown anchor" in e.reason for e in of(CommandRefused, events)] == [
        True,
        True,
    ]
    assert events[-1].outcome == "done"  # type: ignore[attr-defined]


def test_the_first_loss_that_is_not_finite_is_the_last_step() -> None:
    events = run_events(tiny_spec(optimizer="SGD(lr=1e30)", schedule='LambdaLR("1")'))
    steps = of(StepDone, events)
    assert all(abs(e.loss) < float("inf") for e in steps[:-1])
    assert not abs(steps[-1].loss) < float("inf")
    assert any(e.code == "not-finite" and e.level == "error" for e in of(Notice, events))
    assert events[-1].outcome == "diverged"  # type: ignore[attr-defined]


def test_an_exception_ends_the_run_with_the_users_own_line() -> None:
    events = run_events(tiny_spec(task=tiny_spec().task.replace("Tiny", "Breaks")))
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.outcome == "failed"
    assert finished.error is not None
    assert "this loss is broken" in finished.error
    assert "tiny_task.py" in finished.error


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"schedule": "StepLR()"}, "needs step_size"),
        ({"optimizer": "Adam(lr=x)"}, "lr takes"),
        ({"device": "cuda"}, "available: cpu"),
        ({"task": "nowhere.py:X"}, "no file nowhere.py"),
        ({"task": "tiny_task:NotATask"}, "is not a task"),
        ({"optimizer": 'Adam(groups={"zz*": {"lr": 1}})'}, "no parameter is left for 'zz*': no name matches it"),
    ],
)
def test_an_invalid_setting_ends_the_run_with_a_message(settings: dict[str, Any], words: str) -> None:
    if settings.get("device") == "cuda" and torch.cuda.is_available():
        settings = {"device": "mps"}
    finished = run_events(tiny_spec(**settings))[-1]
    assert isinstance(finished, RunFinished)
    assert words in str(finished.error)


def test_a_plateau_cut_is_published() -> None:
    schedule = "ReduceLROnPlateau(patience=0, factor=0.5, threshold=10)"
    events = run_events(tiny_spec(schedule=schedule))
    assert [(e.by, e.step) for e in of(LrSet, events)][:1] == [("plateau", 6)]


def test_bf16_computes_in_another_precision_and_learns() -> None:
    events = run_events(tiny_spec(precision="bf16", epochs=8))
    assert numbers(events) != numbers(run_events(tiny_spec(epochs=8)))
    assert of(StepDone, events)[-1].loss < of(StepDone, events)[0].loss


def test_groups_are_followed_apart() -> None:
    events = run_events(tiny_spec(optimizer='SGD(lr=0.1, groups={"0.*": {"lr": 0.01}})'))
    assert of(RunStarted, events)[0].group_names == ("default", "0.*")
    assert of(StepDone, events)[0].lrs == (0.1, 0.01)


def test_a_test_on_demand_is_made_while_the_run_is_paused() -> None:
    run = Run(tiny_spec(epochs=2))
    run.send("pause")
    told = []
    for event in run.start():
        told.append(type(event))
        if isinstance(event, Paused):
            run.send("evaluate")
        if isinstance(event, EvalDone) and event.step == 0:
            run.send("resume")
    assert next(kind for kind in told if kind in (EvalDone, StepDone)) is EvalDone
    assert told.index(EvalDone) < told.index(Resumed)


def test_samples_a_second_are_those_of_training_without_the_tests_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, thread = iter(range(10**6)), threading.get_ident()

    def seconds() -> float:
        # the thread that gives signs of life reads the clock, too
        return float(next(clock)) if threading.get_ident() == thread else 0.0

    monkeypatch.setattr(PROCESS_TIME, "seconds", seconds)
    monkeypatch.setattr(PROCESS_TIME, "watch", lambda: None)
    alone, asked = (of(EpochDone, run_events(tiny_spec(epochs=1), script))[0] for script in ({}, {3: [EvaluateNow()]}))
    # the clock advances by a second whenever it is read, also within the command
    assert asked.samples_per_second > 0.8 * alone.samples_per_second


def test_every_step_is_published_when_the_schedule_fails_after_it() -> None:
    events = run_events(tiny_spec(), {1: [SwitchSchedule('LambdaLR("1 / (3 - epoch)", per="batch")')]})
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.outcome == "failed"
    assert len(of(StepDone, events)) == finished.step == 4


class OnAnAccelerator(LossBuffer):
    """Buffers losses as it does if reading them would make a device wait."""

    def __init__(self, reporter: Any, _: torch.device, group: ProcessGroup) -> None:
        super().__init__(reporter, torch.device("cuda"), group)


def test_all_steps_are_published_whatever_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lrtui.training.loop, "LossBuffer", OnAnAccelerator)
    monkeypatch.setattr("lrtui.training.loss_buffer.LONGEST_WAIT", 1e9)
    script = {1: [SwitchSchedule('LambdaLR("1 / (5 - epoch)", per="batch")')]}
    events = run_events(tiny_spec(log_interval=1000, epochs=1), script)
    assert len(of(StepDone, events)) == events[-1].step == 6
    assert events[-1].outcome == "failed"  # type: ignore[attr-defined]
    # the loss that was not finite is the reason, not the error that followed
    diverging = tiny_spec(log_interval=1000, epochs=1, optimizer="SGD(lr=1e30)", schedule='LambdaLR("1")')
    events = run_events(diverging, {1: [SwitchSchedule('LambdaLR("1 / (5 - epoch)", per="batch")')]})
    assert events[-1].outcome == "diverged"  # type: ignore[attr-defined]


def test_events_about_a_step_come_after_the_steps_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lrtui.training.loop, "LossBuffer", OnAnAccelerator)
    swa = 'SequentialLR([ConstantLR(factor=1), SWALR(swa_lr=0.001)], milestones=[3], per="batch")'
    events = run_events(tiny_spec(log_interval=1000, schedule=swa), {5: [ScaleLr(2.0)]})
    steps = [event.step + isinstance(event, StepDone) for event in events]
    assert steps == sorted(steps)
    assert [e.step for e in of(Notice, events) if e.code == "averaging"] == [4]


@settings(max_examples=15, deadline=None)
@given(step=st.integers(0, 23), seed=st.integers(0, 3))
def test_nothing_is_lost_between_two_steps(step: int, seed: int) -> None:
    events = run_events(tiny_spec(seed=seed), {step: [EvaluateNow()]})
    assert len(of(StepDone, events)) == 24
    assert [event.seq for event in events] == list(range(len(events)))


@pytest.mark.parametrize(("mode", "warned"), [("", True), (', threshold_mode="abs"', False)])
def test_a_relative_threshold_on_a_negative_metric_is_reported_before_the_first_step(mode: str, warned: bool) -> None:
    class Negative(RandomTask):
        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return super().loss(outputs, targets) - 10

    spec = RunSpec(schedule=f"ReduceLROnPlateau(patience=0{mode})", epochs=1)
    events = run_events(spec, task=Negative("in memory"))
    texts = [event.text for event in events if isinstance(event, Notice) and event.code == "schedule"]
    assert ['add threshold_mode="abs"' in text for text in texts] == [True] * warned
    # also of a schedule that comes later: at the start if a script says so, otherwise with the switch
    later = f"ReduceLROnPlateau(patience=0{mode})"
    scripted = replace(spec, schedule="StepLR(2)", epochs=2, at=(f"epoch 2: {later}",))
    events = run_events(scripted, task=Negative("in memory"))
    steps = [event.step for event in events if isinstance(event, Notice) and event.code == "schedule"]
    end = next(event.step for event in events if isinstance(event, EpochDone))
    assert steps == [0, end] * warned
