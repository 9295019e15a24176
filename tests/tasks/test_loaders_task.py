"""Tasks made of a model, its loaders and a loss: each run starts from the same model, loader and optimizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_runs import run_events

import lrtui.tasks
from lrtui.run.errors import TaskError
from lrtui.run.events import EvalDone, RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec


def loader(count: int = 64, **options: Any) -> DataLoader[Any]:
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(count))
    return DataLoader(TensorDataset(inputs, (inputs.sum(dim=1) > 0).long()), batch_size=16, **options)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def losses(task: Any, **settings: Any) -> list[float]:
    events = run_events(RunSpec(**{"schedule": "StepLR(1)", "epochs": 2, "device": "cpu", **settings}), task=task)
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "done", end.error
    return [event.loss for event in events if isinstance(event, (StepDone, EvalDone))]


def test_every_run_starts_from_the_model_and_the_order_that_were_passed() -> None:
    model, order = net(), torch.Generator().manual_seed(5)
    task = lrtui.tasks.from_loaders(model, loader(shuffle=True, generator=order), loader(32), nn.CrossEntropyLoss())
    before = [parameter.clone() for parameter in model.parameters()]
    first = losses(task)
    assert losses(task) == first
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert losses(task, seed=1) == first


def test_a_function_makes_the_weights_depend_on_the_seed() -> None:
    task = lrtui.tasks.from_loaders(net, loader(), loader(32), nn.CrossEntropyLoss())
    assert task.name == "net"
    assert losses(task) == losses(task) != losses(task, seed=1)


def test_a_model_that_returns_its_loss_needs_none_and_further_methods_are_taken() -> None:
    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.head(inputs)
            return logits, nn.functional.cross_entropy(logits, targets)

    def step_metrics(model: nn.Module) -> dict[str, float]:
        return {"one": 1.0}

    def metrics(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}

    task = lrtui.tasks.from_loaders(
        WithLoss(), loader(), loader(32), metrics=metrics, step_metrics=step_metrics, name="mine"
    )
    events = run_events(RunSpec(schedule="StepLR(1)", epochs=1), task=task)
    started, step = events[0], next(event for event in events if isinstance(event, StepDone))
    assert step.metrics == {"one": 1.0}
    assert next(event for event in events if isinstance(event, EvalDone)).accuracy is not None
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.data["name"] == "mine"


def test_a_model_that_cannot_be_copied_is_reported_with_what_to_do() -> None:
    model = net()
    model.cached = model(torch.randn(1, 4))  # type: ignore[assignment]  # a tensor with a history
    task = lrtui.tasks.from_loaders(model, loader(), loader(32), nn.CrossEntropyLoss())
    end = run_events(RunSpec(schedule="StepLR(1)"), task=task)[-1]
    assert isinstance(end, RunFinished)
    assert "Sequential can't be copied, which each run needs" in str(end.error)
    assert "pass a function that returns the model" in str(end.error)


def test_wrong_arguments_are_refused_at_once() -> None:
    with pytest.raises(TaskError, match=r"takes a torch\.nn\.Module or a function"):
        lrtui.tasks.from_loaders("net", loader(), loader())  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="pass a function optimizer\\(model\\) as well"):
        lrtui.tasks.from_loaders(net, loader(), loader(), optimizer=torch.optim.SGD(net().parameters(), lr=0.1))
