"""Values that a task reports for each step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_record import RunRecorder, assert_same, of
from tiny_task import Tiny
from training_runs import run_events, tiny_spec

from lrtui.run.events import RunFinished, StepDone


def gradient_norm(model: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.get_total_norm([parameter.grad for parameter in model.parameters()])  # type: ignore[misc]


class Normed(Tiny):
    def step_metrics(self, model: torch.nn.Module) -> dict[str, Any]:
        self.last = gradient_norm(model)
        return {"gradient norm": self.last, "half": 0.5, "numpy": np.float32(0.25)}


def test_every_step_carries_the_values_of_its_task_and_training_is_unchanged() -> None:
    plain, events = of(StepDone, run_events(tiny_spec())), of(StepDone, run_events(tiny_spec(), task=Normed()))
    assert [event.loss for event in events] == [event.loss for event in plain]
    assert all(event.metrics == {} for event in plain)
    assert all(list(event.metrics) == ["gradient norm", "half", "numpy"] for event in events)
    assert {(event.metrics["half"], event.metrics["numpy"]) for event in events} == {(0.5, 0.25)}
    assert len({event.metrics["gradient norm"] for event in events}) == len(events)


def test_the_task_sees_the_gradients_before_they_are_clipped() -> None:
    free = of(StepDone, run_events(tiny_spec(epochs=1), task=Normed()))
    clipped = of(StepDone, run_events(tiny_spec(epochs=1, clip_grad_norm=1e-3), task=Normed()))
    assert clipped[0].metrics["gradient norm"] == free[0].metrics["gradient norm"] > 1e-3


def test_a_resumed_run_reports_the_same_values(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(epochs=2)
    whole = recording.run(spec, make_task=Normed)
    pieces = recording.run_in_pieces(spec, [4], tmp_path, make_task=Normed)
    assert_same(whole, pieces)
    values = [event.metrics for piece in pieces for event in of(StepDone, piece.events)]
    assert values == [event.metrics for event in of(StepDone, whole.events)]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (3.0, "returned a float; step_metrics(model) must return a mapping"),
        (
            {"x": torch.zeros(2)},
            "a float32 (2,) as the value 'x', expected a number or a 0-d tensor; step_metrics(model) must",
        ),
        ({"x": "much"}, "a str as the value 'x', expected a number or a 0-d tensor; step_metrics(model) must return"),
    ],
)
def test_anything_but_a_mapping_to_numbers_is_refused(returned: Any, message: str) -> None:
    class Wrong(Tiny):
        def step_metrics(self, model: torch.nn.Module) -> Any:
            return returned

    finished = run_events(tiny_spec(), task=Wrong())[-1]
    assert isinstance(finished, RunFinished)
    assert message in str(finished.error)
    assert "test_step_metrics.py, line" in str(finished.error)


@pytest.mark.parametrize("name", ["loss", "lr"])
def test_the_name_of_another_pane_is_refused(name: str) -> None:
    class SameName(Tiny):
        def step_metrics(self, model: torch.nn.Module) -> dict[str, float]:
            return {"gradient norm": 1.0, name: 1.0}

    finished = run_events(tiny_spec(), task=SameName())[-1]
    assert isinstance(finished, RunFinished)
    assert finished.outcome == "failed"
    pattern = rf"^step_metrics \(.*test_step_metrics.py, line \d+\) returns a value named {name}, "
    assert re.search(pattern, str(finished.error))


def test_an_error_in_step_metrics_names_the_users_line() -> None:
    class Fails(Tiny):
        def step_metrics(self, model: torch.nn.Module) -> Any:
            return {"x": model.nowhere}

    finished = run_events(tiny_spec(), task=Fails())[-1]
    assert isinstance(finished, RunFinished)
    assert "step_metrics fails: AttributeError" in str(finished.error)
