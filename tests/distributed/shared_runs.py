"""Runs of a task in the processes of a group, or in this process alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.events import EvalDone, Notice, RunFinished, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.fsdp import whole
from lrtui.training.reporter import Reporter
from lrtui.training.train import train


@dataclass(frozen=True)
class Trained:
    """What a run gave: numbers of its events, and its weights."""

    outcome: str
    error: str
    losses: list[float]
    lrs: list[tuple[float, ...]]
    step_metrics: list[dict[str, float]]
    tests: list[dict[str, float]]
    weights: torch.Tensor
    buffers: torch.Tensor
    notices: list[str]


def train_task(
    group: ProcessGroup,
    make_task: Any,
    arguments: tuple[Any, ...],
    settings: dict[str, Any],
    folder: Path | None = None,
    *,
    resumes: bool = False,
) -> Trained:
    """Train a task with these settings.

    Args:
        folder: for the checkpoints of rank 0.
        resumes: whether the run goes on from the last checkpoint there.
    """
    feed, models = LiveFeed(), []
    point = ResumePoint(saved_files(folder)[-1].path) if folder and resumes else None
    checkpoints = Checkpoints(folder) if group.is_first and not resumes else None
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(
            RunSpec(**settings),
            Inbox(),
            Reporter(feed),
            make_task(*arguments),
            checkpoints=checkpoints,
            resume_point=point,
            take_model=models.append,
            group=group,
        )
    finally:
        torch.set_num_threads(threads)
    events = feed.take(10**9)
    steps = [event for event in events if isinstance(event, StepDone)]
    tests = [event for event in events if isinstance(event, EvalDone)]
    finished = next(event for event in events if isinstance(event, RunFinished))
    weights = [whole(parameter).detach().flatten() for model in models for parameter in model.parameters()]
    buffers = [buffer.flatten() for model in models for buffer in model.buffers()]
    return Trained(
        finished.outcome,
        finished.error or "",
        [step.loss for step in steps],
        [step.lrs for step in steps],
        [dict(step.metrics) for step in steps],
        [{"loss": test.loss, "accuracy": test.accuracy, **test.metrics} for test in tests],
        torch.cat(weights) if weights else torch.zeros(0),
        torch.cat(buffers) if buffers else torch.zeros(0),
        [event.text for event in events if isinstance(event, Notice)],
    )


def train_alone(make_task: Any, arguments: tuple[Any, ...], settings: dict[str, Any]) -> Trained:
    """Train it in this process."""
    return train_task(ALONE, make_task, arguments, settings)
