"""Runs an example, and its code again in a plain PyTorch loop on the same batches, to compare lr and loss."""

from __future__ import annotations

import ast
import copy
import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from training_runs import run_events

from lrtui.run.events import EvalDone, Event, Notice, RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.training.optimizer_step import OptimizerStep

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class RecordedRun:
    """What a run has published, with its training batches and the random state before each of them."""

    events: list[Event]
    batches: list[Any]
    random_states: list[torch.Tensor]

    @property
    def started(self) -> RunStarted:
        return next(event for event in self.events if isinstance(event, RunStarted))

    @property
    def steps(self) -> list[StepDone]:
        return [event for event in self.events if isinstance(event, StepDone)]

    @property
    def tests(self) -> list[EvalDone]:
        return [event for event in self.events if isinstance(event, EvalDone)]

    @property
    def batch_line(self) -> str:
        """The line that says how a batch is read."""
        return next(event.text for event in self.events if isinstance(event, Notice) and event.code == "batch")


def example(name: str) -> ModuleType:
    """Return an example's module, run again, so that tests don't share its objects."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    torch.manual_seed(0)
    spec.loader.exec_module(module)
    return module


def recorded_run(monkeypatch: pytest.MonkeyPatch, task: Any, **settings: Any) -> RecordedRun:
    """Return a finished run of the task, on the CPU."""
    batches, states = [], []
    forward_backward = OptimizerStep.forward_backward

    def recording(self: OptimizerStep, group: list[Any]) -> Any:
        (batch,) = group
        # the closure of an optimizer computes the same batch again
        if group is not self._batches:
            batches.append(copy.deepcopy(batch))
            states.append(torch.get_rng_state())
        return forward_backward(self, group)

    with monkeypatch.context() as patched:
        patched.setattr(OptimizerStep, "forward_backward", recording)
        events = run_events(RunSpec(**{"epochs": 2, "device": "cpu", **settings}), task=task)
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "done", end.error
    assert not [event.text for event in events if isinstance(event, Notice) and event.level != "info"]
    return RecordedRun(events, batches, states)


def assert_equals_plain_loop(
    run: RecordedRun,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer | Mapping[str, torch.optim.Optimizer],
    loss_of: Callable[[torch.nn.Module, Any], torch.Tensor],
    scheduler: Any = None,
    *,
    per: str = "epoch",
    lr_rounding: float = 0.0,
    steps_itself: bool = False,
) -> None:
    """Train the model on the batches of a run; every lr must be equal, every loss within 1e-6.

    Args:
        model: in the state that the run started with.
        optimizer: as its user makes it; several by name.
        loss_of: the user's own code for a batch, from the model to the loss.
        scheduler: a scheduler or several; each steps after every batch or epoch, as `per` says.
        lr_rounding: relative difference allowed to a scheduler that computes the same formula in another order.
        steps_itself: whether `loss_of` calls `backward()` and the optimizers.
    """
    per_epoch = run.started.batches_per_epoch
    optimizers = list(optimizer.values()) if isinstance(optimizer, Mapping) else [optimizer]
    schedulers = scheduler if isinstance(scheduler, list) else [scheduler] if scheduler is not None else []
    lrs, losses = [], []
    model.train()
    for number, (batch, state) in enumerate(zip(run.batches, run.random_states, strict=True), start=1):
        torch.set_rng_state(state)
        lrs.append(tuple(float(group["lr"]) for each in optimizers for group in each.param_groups))
        if not steps_itself:
            for each in optimizers:
                each.zero_grad()
        loss = loss_of(model, batch)
        if not steps_itself:
            loss.backward()
            for each in optimizers:
                each.step()
        losses.append(loss.item())
        if per == "batch" or number % per_epoch == 0:
            for each in schedulers:
                each.step()
    assert [step.lrs for step in run.steps] == [pytest.approx(each, rel=lr_rounding, abs=0) for each in lrs]
    assert [step.loss for step in run.steps] == pytest.approx(losses, abs=1e-6, rel=1e-6)


def lines_for_lrtui(name: str) -> int:
    """Return how many lines of an example's code mention lrtui."""
    path = EXAMPLES / f"{name}.py"
    tree = ast.parse(path.read_text())
    (docstring, *_), lines = tree.body, path.read_text().splitlines()
    return sum("lrtui" in line for line in lines[docstring.end_lineno :])


def seeded(make: Any, seed: int = 0) -> torch.nn.Module:
    """Return a model that starts with the weights of a run with this seed."""
    torch.manual_seed(seed)
    model = make()
    assert isinstance(model, torch.nn.Module)
    return model
