"""A run in Python code: as a context manager, in an event loop, its model, and how it is resumed and branched."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import Breaks, Slow, Tiny

from lrtui import Event, LrtuiError, Run, RunFinished, RunSpec, StepDone, TaskError, UsageError

LONG: dict[str, Any] = {"schedule": "StepLR(1)", "batch_size": 16, "epochs": 1000}
SHORT: dict[str, Any] = {"schedule": "StepLR(1)", "batch_size": 16, "epochs": 2}


def test_a_run_is_started_and_stopped_by_its_block(tmp_path: Path) -> None:
    with Run(RunSpec(store=str(tmp_path), **LONG), Slow()) as run:
        assert run.is_live
        with pytest.raises(LrtuiError, match="run #1 is still running"), Run(RunSpec(**SHORT), Tiny()):
            pass
        next(event for event in run if isinstance(event, StepDone))
    assert (run.state.status, run.is_live) == ("stopped", False)
    assert run.has_checkpoint
    failing = Run(RunSpec(**LONG), Slow())

    def work() -> None:
        with failing:
            next(event for event in failing if isinstance(event, StepDone))
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        work()
    assert failing.state.status == "stopped"
    assert "ValueError in the script" in [line.text for line in failing.state.log.lines]


async def test_a_run_is_watched_from_an_event_loop_and_the_iteration_can_be_cancelled() -> None:
    seen: list[Event] = []
    ticks = 0

    async def watch(run: Run) -> None:
        async for event in run:
            seen.append(event)

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    with Run(RunSpec(**{**LONG, "epochs": 20}), Tiny()) as run:
        ticking, watching = asyncio.create_task(tick()), asyncio.create_task(watch(run))
        while not any(isinstance(event, StepDone) for event in seen):
            await asyncio.sleep(0.001)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        await watch(run)
        ticking.cancel()
    assert [event.seq for event in seen] == list(range(len(seen)))
    assert isinstance(seen[-1], RunFinished)
    assert run.state.status == "done"
    assert ticks > 10
    with pytest.raises(UsageError, match="call start"):
        await watch(Run(RunSpec(**SHORT), Tiny()))


def test_the_model_is_that_of_the_run_and_freed_with_it() -> None:
    run = Run(RunSpec(**SHORT), Tiny())
    with pytest.raises(UsageError, match="run #1 has no model: it is built when training starts"):
        _ = run.model
    state = run.start().result()
    task, last = Tiny(), state.last_test
    assert last is not None
    with torch.no_grad():
        outputs = run.model.eval()(task.test_data()[0])
    assert float(task.loss(outputs, task.test_data()[1])) == pytest.approx(last.loss, rel=1e-6)
    weights = weakref.ref(run.model[0].weight)  # type: ignore[index,union-attr]
    del run
    gc.collect()
    assert weights() is None


def test_a_run_that_waits_for_the_caller_is_not_waited_for() -> None:
    run = Run(RunSpec(**LONG), Slow())
    with pytest.raises(UsageError, match="call start"), run.between_steps():
        pass
    with run, run.between_steps() as model:
        assert model is run.model
        for wait in (run.result, lambda: list(run), lambda: run.between_steps().__enter__()):
            with pytest.raises(UsageError, match=r"run #1 waits for the block of between_steps\(\) to end"):
                wait()
    assert run.state.status == "stopped"
    failing = Run(RunSpec(**LONG), Breaks()).start()
    with pytest.raises(UsageError, match="run #1 has no model"), failing.between_steps():
        pass


def test_stored_runs_are_resumed_and_branched(tmp_path: Path) -> None:
    with Run(RunSpec(store=str(tmp_path), **SHORT), Tiny()) as first:
        uninterrupted = first.result()
    branch = Run.branch(first, epoch=1, schedule="ConstantLR() from current", name="other").start()
    assert branch.result().started is not None
    assert (branch.number, branch.state.started.parent, branch.state.first_step) == (2, "1", 6)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="is done"):
        Run.resume(first)
    with pytest.raises(UsageError, match="is done"):
        Run.resume(tmp_path)
    # by id, with a task given again, and by the Run itself, with its task
    for reference, task, epochs in ((1, Tiny(), 3), (first, None, 4)):
        run = Run.resume(reference, store=tmp_path, task=task, epochs=epochs).start()
        assert run.result().epoch == epochs
        assert run.number == 1
        assert run.state.loss.values[:12].tolist() == uninterrupted.loss.values.tolist()


def test_a_run_that_is_not_recorded_cannot_be_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"Run\.resume\(\): run #1 is not recorded"):
        Run.resume(Run(RunSpec(**SHORT), Tiny()))
    with pytest.raises(UsageError, match="no store is selected, because LRTUI_STORE is none: set store=FOLDER"):
        Run.branch(3, epoch=1, schedule="StepLR(1)")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Run("StepLR(3)"), r"Run(): spec must be a RunSpec, such as .*, not 'StepLR(3)' (str)"),
        (lambda: Run(RunSpec), r"Run(): spec must be a RunSpec, such as .*, not the class RunSpec"),
        (lambda: Run(RunSpec(), number="1"), r"Run(): number must be a whole number, not '1' (str)"),
        (lambda: Run(RunSpec()).send(3), r"Run.send(): command must be a command or its text, .*, not 3 (int)"),
        (lambda: Run(RunSpec()).start("1"), r"Run.start(): store_seconds must be a number, not '1' (str)"),
        (lambda: Run(RunSpec()).poll(1.5), r"Run.poll(): limit must be a whole number, not 1.5 (float)"),
        (lambda: Run.resume(1.5), r"Run.resume(): run must be the id or name of a stored run, .*, not 1.5 (float)"),
        (lambda: Run.resume(1, lr="1"), r"Run.resume(): lr must be a number, not '1' (str)"),
        (lambda: Run.resume(1, store=3), r"Run.resume(): store must be the folder of a store, not 3 (int)"),
        (
            lambda: Run.branch(1, epoch=True, schedule=""),
            r"Run.branch(): epoch must be a whole number, not True (bool)",
        ),
        (lambda: Run.branch(1, epoch=1, schedule=2), r"Run.branch(): schedule must be the text of .*, not 2 (int)"),
    ],
)
def test_an_argument_of_the_wrong_type_is_named(call: Any, message: str) -> None:
    pattern = message.replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(UsageError, match=pattern):
        call()


def test_a_task_that_is_a_class_or_text_is_refused() -> None:
    with pytest.raises(TaskError, match=r"tiny_task:Tiny is a class; pass an object of it: Tiny\(\)"):
        Run(RunSpec(), Tiny)  # type: ignore[arg-type]
    with pytest.raises(TaskError, match=r"a task is an object, not the text 'a.py:B': RunSpec\(task=...\) takes"):
        Run(RunSpec(), "a.py:B")  # type: ignore[arg-type]
