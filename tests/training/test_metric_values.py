"""Metrics may be numbers, NumPy arrays and tensors; anything else is refused by name."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from example_counts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_task import Tiny
from training_runs import run_events, tiny_spec

from lrtui.run.errors import TaskError
from lrtui.run.evaluations import Objective
from lrtui.run.event_json import event_from_json, event_to_json
from lrtui.run.events import EvalDone, RunFinished, RunStarted
from lrtui.run.state import RunState
from lrtui.training.metric_values import checked_metrics, metric_tensor
from lrtui.training.step_result import read_values


@pytest.mark.parametrize(
    ("value", "mean"),
    [
        (True, 1.0),
        (3, 3.0),
        (0.25, 0.25),
        (Fraction(1, 4), 0.25),
        (np.float32(0.5), 0.5),
        (np.bool_(True), 1.0),
        (np.int64(7), 7.0),
        (np.array(0.5), 0.5),
        (np.array([1, 0], dtype=np.uint16), 0.5),
        (np.array([True, False, False, True]), 0.5),
        (torch.tensor(2), 2.0),
        (torch.tensor([True, False]), 0.5),
        (torch.tensor([1.0, 2.0], requires_grad=True), 1.5),
        (torch.tensor([1.0, 2.0], dtype=torch.bfloat16), 1.5),
    ],
)
def test_a_metric_may_be_a_number_an_array_or_a_tensor(value: Any, mean: float) -> None:
    tensor = metric_tensor(value)
    assert tensor is not None
    assert not tensor.requires_grad
    assert float(tensor.double().mean()) == mean


@pytest.mark.parametrize(
    "value", ["0.5", None, [0.5], 1j, 10**400, np.array(["a"]), np.array([1j]), torch.tensor(1j), object()]
)
def test_anything_else_is_refused_with_the_name_of_the_metric(value: Any) -> None:
    def metrics() -> None: ...

    with pytest.raises(TaskError, match=r"metrics \(.*test_metric_values.py.*\) returned .* as the metric 'auc'"):
        checked_metrics({"f1": 1.0, "auc": value}, metrics, "a mapping")


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=2),
    st.complex_numbers(),
    st.binary(max_size=2),
)
ARRAYS = st.builds(
    lambda dtype, size: np.zeros(size, dtype),
    st.sampled_from(["b1", "u2", "i8", "f2", "f8", "c8", "U1", "O", "M8[s]"]),
    st.sampled_from([(), (0,), (2,), (2, 3)]),
)
VALUES = st.recursive(
    st.one_of(
        LEAVES, ARRAYS, ARRAYS.filter(lambda array: array.dtype.kind in "biuf").map(lambda a: torch.zeros(a.shape))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=4,
)


@settings(max_examples=examples(200, deep=2000), deadline=None)
@given(VALUES)
def test_whatever_metrics_returns_is_a_tensor_of_numbers_or_an_error_that_names_the_method(found: Any) -> None:
    try:
        values = checked_metrics(found, test_anything_else_is_refused_with_the_name_of_the_metric, "EXPECTED")
    except TaskError as error:
        assert "test_anything_else" in str(error)
        assert "EXPECTED" in str(error) or "reserved for the test loss" in str(error)
    else:
        assert all(value.dtype.is_floating_point or not value.is_complex() for value in values.values())
        assert set(values) == {str(name) for name in found}


class Mixed(Tiny):
    """Metrics of every kind, on a test set whose last batch is smaller."""

    test_batch_size = 20

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, Any]:
        right = outputs.argmax(dim=1) == targets
        return {
            "accuracy": right,
            "array": right.numpy(),
            "number": float(right.float().mean()),
            "scalar": np.float32(right.float().mean()),
            "constant": 3,
        }


def test_all_kinds_of_values_are_averaged_over_the_samples_of_the_test_set() -> None:
    result = next(e for e in run_events(tiny_spec(epochs=1), task=Mixed()) if isinstance(e, EvalDone))
    mean = pytest.approx(result.accuracy, abs=1e-6)
    assert result.metrics == {"array": mean, "number": mean, "scalar": mean, "constant": 3.0}


class RankedByError(Tiny):
    """Names a metric as best, in subclasses wrongly."""

    best: Any = "error"
    mode: Any = "min"

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets, "error": outputs.argmax(dim=1) != targets}


def test_the_metric_that_a_task_names_as_best_is_stored_with_the_run() -> None:
    events = run_events(tiny_spec(epochs=1, batch_size=96), task=RankedByError())
    started = next(event for event in events if isinstance(event, RunStarted))
    assert (started.best, started.mode) == ("error", "min")
    state = RunState()
    state.fold(event_from_json(event_to_json(event, exact=True)) for event in events)
    assert state.objective == Objective("error", higher=False)


@pytest.mark.parametrize(
    ("best", "mode", "message"),
    [
        ("auc", "max", r"has best = 'auc', but its tests return loss, accuracy, error"),
        ("error", None, r'has best = \'error\' and no mode, expected mode = "max" or mode = "min"'),
        ("error", "low", r"has best = 'error' and mode = 'low', expected"),
        ("loss", "max", r"but training makes the loss low"),
    ],
)
def test_a_best_metric_that_the_tests_lack_or_without_a_mode_is_refused_before_training(
    best: str, mode: str | None, message: str
) -> None:
    task = type("Wrong", (RankedByError,), {"best": best, "mode": mode})()
    finished = run_events(tiny_spec(epochs=1), task=task)[-1]
    assert isinstance(finished, RunFinished)
    assert re.search(message, str(finished.error))


def test_a_batch_without_a_mistake_reads_no_source_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: object) -> str:
        raise AssertionError

    # finding a method's line tokenizes its file, at every batch of a test
    for module in ("metric_values", "step_result"):
        monkeypatch.setattr(f"lrtui.training.{module}.source_location", read)
    assert checked_metrics({"accuracy": 0.5}, read, "")["accuracy"] == 0.5
    assert read_values({"norm": 2}, read, "step_metrics(model)") == {"norm": 2.0}
