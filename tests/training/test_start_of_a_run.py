"""The seed decides how a run starts, wherever the task makes its model; what a run gives a task is its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_task import Tiny
from training_runs import run_events, tiny_spec

from lrtui.run.commands import SaveCheckpoint, Stop
from lrtui.run.events import CheckpointSaved, Event, Notice, RunFinished, StepDone
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints

SOURCE = """\
import copy
import torch
from torch import nn

NET = nn.Linear(4, 2)
LOADED = torch.rand(())


class AtImport:
    def model(self):
        return NET

    def training_data(self):
        return torch.randn(48, 4), torch.zeros(48, dtype=torch.long)

    def test_data(self):
        return torch.randn(16, 4), torch.zeros(16, dtype=torch.long)

    def loss(self, outputs, targets):
        return nn.functional.cross_entropy(outputs, targets)


class InInit(AtImport):
    def __init__(self):
        self.net = nn.Linear(4, 2)

    def model(self):
        return self.net


class InModel(AtImport):
    def model(self):
        return nn.Linear(4, 2)


task = InInit()
"""


def losses(events: list[Event]) -> list[float]:
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "done", events[-1]
    return [event.loss for event in events if isinstance(event, StepDone)]


def started_notices(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice) and event.code == "start"]


@pytest.mark.parametrize("name", ["AtImport", "InInit", "InModel", "task"])
def test_the_same_seed_is_the_same_run_wherever_the_task_makes_its_model(name: str, tmp_path: Path) -> None:
    # a file for each case, since a process runs it once
    file = tmp_path / f"made_{name}.py"
    file.write_text(SOURCE)

    def run(seed: int) -> list[float]:
        torch.rand(seed + 5)  # what was drawn before does not matter
        events = run_events(tiny_spec(epochs=1, seed=seed, task=f"{file}:{name}"))
        assert started_notices(events) == []
        return losses(events)

    first, other, again = run(3), run(4), run(3)
    assert first == again
    assert first[0] != other[0]
    # as in a new process
    del sys.modules[file.stem]
    assert run(3) == first


class Reused(Tiny):
    """A task that is passed as an object and returns its model again."""

    def __init__(self) -> None:
        super().__init__()
        self.net = super().model()

    def model(self) -> torch.nn.Module:
        return self.net


def test_a_model_that_an_earlier_run_has_trained_is_said_but_not_on_resume(tmp_path: Path) -> None:
    task, spec = Reused(), tiny_spec(epochs=1)
    first = run_events(spec, {3: [SaveCheckpoint(), Stop()]}, task=task, checkpoints=Checkpoints(tmp_path, 1e9))
    assert started_notices(first) == []
    saved = next(event for event in first if isinstance(event, CheckpointSaved))
    assert started_notices(run_events(spec, task=task, resume_point=ResumePoint(Path(saved.path)))) == []
    (text,) = started_notices(run_events(spec, task=task))
    assert "starts with the weights that it has trained" in text


class Told(Tiny):
    """Notes what it was given before its data is prepared."""

    def prepare(self, request: Any, say: Any) -> None:
        self.given: Any = (self.device, self.seed)  # type: ignore[attr-defined]


class Own(Told):
    device = "cuda:7"

    def __init__(self) -> None:
        super().__init__()
        self.seed = 42


class Slotted:
    """A task without attributes of its own."""

    __slots__ = ("tiny",)

    def __init__(self) -> None:
        self.tiny = Tiny()
        for name in ("model", "training_data", "test_data", "loss"):
            setattr(type(self), name, staticmethod(getattr(self.tiny, name)))


def test_a_task_gets_device_and_seed_of_each_run_unless_it_has_its_own() -> None:
    told, own = Told(), Own()
    for seed in (5, 6):
        run_events(tiny_spec(epochs=1, seed=seed), task=told)
        assert told.given == (torch.device("cpu"), seed)
        events = run_events(tiny_spec(epochs=1, seed=seed), task=own)
        assert own.given == ("cuda:7", 42)
        said = [event.text for event in events if isinstance(event, Notice)]
        assert "the task has its own device, 'cuda:7', which stays; the run has cpu" in said
        assert f"the task has its own seed, 42, which stays; the run has {seed}" in said
    losses(run_events(tiny_spec(epochs=1), task=Slotted()))
