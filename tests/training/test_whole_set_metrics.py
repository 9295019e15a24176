"""Metrics over the whole test set are exact for any batch size, with a method or with objects such as torchmetrics'."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torchmetrics import MetricCollection, R2Score
from torchmetrics.classification import BinaryAUROC, BinaryF1Score, BinaryJaccardIndex
from training_runs import run_events, tiny_spec

from lrtui.run.commands import EvaluateNow, SaveCheckpoint, Stop
from lrtui.run.events import CheckpointSaved, EvalDone, Event, Notice, RunFinished, StepDone
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

POSITIVE = 13
"""Test samples of the second class; the first 20 of the 45 samples are of the first class."""


def auc(scores: torch.Tensor, targets: torch.Tensor) -> float:
    """Return the share of pairs in the right order, ties counted half: the definition."""
    if len(set(targets.tolist())) < 2:
        raise ValueError("only one class is there")
    positive, negative = scores[targets == 1].double(), scores[targets == 0].double()
    differences = positive[:, None] - negative[None, :]
    return float(((differences > 0).double() + 0.5 * (differences == 0).double()).mean())


class Scores:
    """A score for each sample; the test set begins with samples of one class."""

    test_batch_size = 20

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.inputs = torch.randn(96, 4, generator=generator)
        self.test_inputs = torch.randn(45, 4, generator=generator)
        self.test_targets = torch.zeros(45)
        self.test_targets[torch.randperm(25, generator=generator)[:POSITIVE] + 20] = 1

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Flatten(0))

    def training_data(self) -> Any:
        return self.inputs, (self.inputs.sum(dim=1) > 0).float()

    def test_data(self) -> Any:
        return self.test_inputs, self.test_targets

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets)


class WithMethod(Scores):
    best = "auc"
    mode = "max"

    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        assert outputs.device.type == "cpu"
        assert not outputs.requires_grad
        true, guessed = targets == 1, outputs > 0
        both = int((true & guessed).sum())
        residual, total = ((outputs - targets) ** 2).sum(), ((targets - targets.mean()) ** 2).sum()
        return {
            "auc": auc(outputs, targets),
            "f1": 2 * both / int(true.sum() + guessed.sum()),
            "iou": both / (true | guessed).sum(),
            "r2": (1 - residual / total).numpy(),
            "right": true == guessed,
        }


class WithObjects(Scores):
    def __init__(self) -> None:
        super().__init__()
        self.metrics = {"auc": BinaryAUROC(), "r2": R2Score()}
        self.test_metrics = MetricCollection({"f1": BinaryF1Score(), "iou": BinaryJaccardIndex()})


def results(events: list[Event]) -> list[dict[str, float]]:
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert finished.outcome in ("done", "stopped"), finished
    return [dict(event.metrics) for event in events if isinstance(event, EvalDone)]


def with_batches_of(task: Scores, size: int) -> Scores:
    task.test_batch_size = size
    return task


def test_the_results_are_exact_and_the_same_for_every_batch_size() -> None:
    spec = tiny_spec(epochs=2, batch_size=32)
    reference = results(run_events(spec, task=with_batches_of(WithMethod(), 45)))
    assert len(reference) == 2
    for size in (1, 20, 44):
        assert results(run_events(spec, task=with_batches_of(WithMethod(), size))) == [
            {name: pytest.approx(value, abs=1e-6) for name, value in result.items()} for result in reference
        ]
    objects = [results(run_events(spec, task=with_batches_of(WithObjects(), size))) for size in (7, 45)]
    for found in objects:
        assert found == [
            {name: pytest.approx(result[name], abs=1e-5) for name in ("auc", "r2", "f1", "iou")} for result in reference
        ]


def test_what_is_undefined_on_the_first_batch_is_tried_on_the_whole_test_set_before_training() -> None:
    events = run_events(tiny_spec(epochs=1, schedule='ReduceLROnPlateau(mode="max", metric="auc")'), task=WithMethod())
    said = [event.text for event in events if isinstance(event, Notice)]
    assert any("only one class is there" in text and "trying the whole test set" in text for text in said)
    assert "test_metrics: the outputs and targets of the test set are gathered on the CPU, 360 B" in said
    assert len(results(events)) == 1


class Misspelt(Scores):
    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        return {"auc": outputs.nonsense()}


class Raises(Scores):
    def test_metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        raise ValueError("never defined")


class Vector(Scores):
    class Each:
        def update(self, outputs: Any, targets: Any) -> None: ...

        def compute(self) -> Any:
            return torch.zeros(3)

        def reset(self) -> None: ...

    metrics = {"each": Each()}


class NoObject(Scores):
    test_metrics = {"auc": auc}


class Twice(Scores):
    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        return {"auc": 0.5}

    test_metrics = {"auc": BinaryAUROC()}


class NoOutputs(WithMethod):
    def test_step(self, model: torch.nn.Module, batch: Any) -> Any:
        return self.loss(model(batch[0]), batch[1])


class WrongShape(Scores):
    metrics = {"f1": BinaryF1Score()}

    def model(self) -> torch.nn.Module:
        return torch.nn.Linear(4, 1)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().loss(outputs[:, 0], targets)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Misspelt, "test_metrics fails on outputs float32 (20,) and targets float32 (20,): AttributeError"),
        (Raises, "test_metrics fails on outputs float32 (45,) and targets float32 (45,): ValueError: never defined"),
        (Vector, "compute() of the metric 'each', a Each, returned a float32 (3,); expected one number"),
        (NoObject, "as the metric 'auc'; expected an object with update(outputs, targets), compute() and reset()"),
        (Twice, "two results of the test set are named auc: rename one"),
        (NoOutputs, "test_metrics(outputs, targets) has no outputs: return (loss, outputs) from test_step"),
        (WrongShape, "update of the metric 'f1', a BinaryF1Score, fails on outputs float32 (20, 1)"),
    ],
)
def test_a_mistake_is_explained_before_training(task: type[Scores], message: str) -> None:
    events = run_events(tiny_spec(epochs=1), task=task())
    finished = events[-1]
    assert isinstance(finished, RunFinished)
    assert message in str(finished.error)
    assert not any(isinstance(event, StepDone) for event in events)


@pytest.mark.parametrize("kind", [WithMethod, WithObjects])
def test_a_test_that_is_interrupted_and_resumed_has_the_same_results_to_the_bit(
    kind: type[Scores], tmp_path: Path
) -> None:
    spec = tiny_spec(epochs=2, batch_size=32)
    whole = run_events(spec, task=with_batches_of(kind(), 7))
    # the checkpoint is saved between two batches of the first epoch's test, and then the run is stopped there
    script = {3: [SaveCheckpoint(), Stop()]}
    pieces = run_events(
        spec,
        script,
        meets_tests=True,
        look=3,
        task=with_batches_of(kind(), 7),
        checkpoints=Checkpoints(tmp_path, every_seconds=1e9),
    )
    assert results(pieces) == []
    saved = [event for event in pieces if isinstance(event, CheckpointSaved)][-1]
    assert saved.step == 3
    resumed = run_events(
        spec, task=with_batches_of(kind(), 7), resume_point=ResumePoint(Path(saved.path)), next_seq=saved.seq + 1
    )
    assert results(resumed) == results(whole)
    assert [e.loss for e in resumed if isinstance(e, StepDone)] == [
        e.loss for e in whole if isinstance(e, StepDone) and e.step >= 3
    ]


def test_a_test_on_demand_changes_no_other_test() -> None:
    spec = tiny_spec(epochs=1, batch_size=32)
    alone = results(run_events(spec, task=WithObjects()))
    with_demand = results(run_events(spec, {1: [EvaluateNow()]}, task=WithObjects()))
    assert with_demand[-1:] == alone
    assert len(with_demand) == 2
    assert not any(math.isnan(value) for value in with_demand[0].values())
