"""Records of what runs compute, bit by bit, for runs with and without interruptions."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import run_events

import lrtui.training.train
from lrtui.run.commands import Command, Stop
from lrtui.run.events import (
    CheckpointSaved,
    EpochDone,
    EvalDone,
    EvaluationStarted,
    Event,
    RunFinished,
    RunStarted,
    StepDone,
)
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.loop import Loop
from lrtui.training.random_state import seed_everything

Script = Mapping[int, Sequence[Command]]


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


@dataclass
class RunRecord:
    """A run, or the part of a run up to an interruption: its events, optimizer settings and final state."""

    events: list[Any] = field(default_factory=list)
    used: dict[int, Any] = field(default_factory=dict)
    """The settings of all parameter groups at each step, by step."""
    end: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> dict[int, Any]:
        return {e.step: (e.epoch, e.batch, e.loss, e.lrs) for e in of(StepDone, self.events)}

    @property
    def tests(self) -> list[Any]:
        return [(e.step, e.epoch, e.averaged, e.loss, e.accuracy, e.metrics) for e in of(EvalDone, self.events)]

    @property
    def started(self) -> RunStarted:
        return of(RunStarted, self.events)[0]

    @property
    def saved(self) -> list[Any]:
        return of(CheckpointSaved, self.events)

    @property
    def finished(self) -> RunFinished:
        return of(RunFinished, self.events)[0]


def digest(value: Any) -> Any:
    """Return nested containers with every tensor replaced by its type, shape and bytes."""
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().flatten()
        return str(value.dtype), tuple(value.shape), flat.view(torch.uint8).numpy().tobytes()
    if isinstance(value, Mapping):
        return {key: digest(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [digest(item) for item in value]
    return value


class RunRecorder:
    """Runs trainings and records what they compute; used through its fixture."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loop: Loop | None = None
        self._course = RunRecord()
        recording = self

        class ObservedLoop(Loop):
            def __init__(self, setup: Any, inbox: Any, reporter: Any, *rest: Any) -> None:
                def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
                    groups = [{**group, "params": None} for group in optimizer.param_groups]
                    recording._course.used[reporter.step] = digest(groups)

                setup.optimizer.register_step_pre_hook(note)
                super().__init__(setup, inbox, reporter, *rest)
                recording.loop = self

        monkeypatch.setattr(lrtui.training.train, "Loop", ObservedLoop)

    def run(
        self, spec: RunSpec, script: Script | None = None, make_task: Callable[[], Any] | None = None, **how: Any
    ) -> RunRecord:
        """Run one part and return its record."""
        course = self._course = RunRecord()
        self.loop = None
        # as after a crash: no random state is left
        seed_everything(random.randrange(2**32))
        course.events = run_events(spec, script, task=make_task() if make_task else None, **how)
        if self.loop is not None:
            loop: Any = self.loop
            averaged = loop._averaging.averaged_model
            course.end = {
                "model": digest(loop._setup.model.state_dict()),
                "optimizer": digest(loop._setup.optimizer.state_dict()),
                "averaged": None if averaged is None else digest(averaged.state_dict()),
                "gradient_scaler": digest(loop._step.gradient_scaler.state_dict()),
            }
        return course

    def run_in_pieces(
        self, spec: RunSpec, stops: Sequence[int], folder: Path, script: Script | None = None, **how: Any
    ) -> list[RunRecord]:
        """Return the parts of a run that is stopped at these steps, each time resumed from its newest checkpoint."""
        pieces: list[RunRecord] = []
        for stop in (*stops, None):
            begin = stops[len(pieces) - 1] if pieces else -1
            piece = {step: list(commands) for step, commands in (script or {}).items() if step > begin}
            if stop is not None:
                piece.setdefault(stop, []).append(Stop())
            resume_point = ResumePoint(saved_files(folder)[-1].path) if pieces else None
            pieces.append(self.go_on(spec, folder, piece, pieces, resume_point=resume_point, **how))
        return pieces

    def go_on(
        self, spec: RunSpec, folder: Path, script: Script | None, pieces: Sequence[RunRecord], **how: Any
    ) -> RunRecord:
        """Return the next part; its checkpoints are saved in the folder."""
        next_seq = pieces[-1].events[-1].seq + 1 if pieces else 0
        how.setdefault("checkpoints", Checkpoints(folder, 1e9))
        return self.run(spec, script, next_seq=next_seq, **how)


def assert_same(whole: RunRecord, pieces: Sequence[RunRecord]) -> None:
    """Assert that the parts computed the same as the uninterrupted run."""
    assert pieces[-1].finished.error is None
    steps = {step: done for piece in pieces for step, done in piece.steps.items()}
    assert sum(len(piece.steps) for piece in pieces) == len(steps)
    assert steps == whole.steps
    assert {step: used for piece in pieces for step, used in piece.used.items()} == whole.used
    assert [test for piece in pieces for test in piece.tests] == whole.tests
    assert pieces[-1].end == whole.end


def given_live_after(course: RunRecord, saved: Any) -> tuple[str, ...]:
    """Return the user's commands after a checkpoint, as lines of a script."""
    lines, tested = [], None
    for event in course.events:
        if isinstance(event, EvaluationStarted) and not event.command:
            tested = event.epoch
        if isinstance(event, EpochDone):
            tested = None
        if event.seq > saved.seq and getattr(event, "command", "") and not getattr(event, "scripted", True):
            lines.append(f"{f'step {event.step}' if tested is None else f'test {tested}'}: {event.command}")
    return tuple(lines)


def cut(course: RunRecord, seq: int) -> RunRecord:
    """Return the record up to this event, as if everything later was superseded."""
    events = [event for event in course.events if event.seq <= seq]
    last = max((event.step + 1 for event in of(StepDone, events)), default=0)
    used = {step: used for step, used in course.used.items() if step < last}
    return RunRecord(events, used, course.end)


class KeepsAll(Checkpoints):
    """Removes no files, so that a run can be resumed from any checkpoint."""

    def remove_old_files(self) -> None:
        pass
