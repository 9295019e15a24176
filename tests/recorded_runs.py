"""Runs as lists of events, made without a thread, a clock or torch."""

from __future__ import annotations

import math
from typing import Any

from lrtui.run.events import (
    EpochDone,
    EvalDone,
    EvaluationStarted,
    Event,
    LrSet,
    Notice,
    Outcome,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.run.spec import RunSpec

PER_EPOCH = 50


class Recording:
    """Collects a run's events and gives them sequence numbers and times."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.step = 0

    def say(self, event_class: type[Event], **fields: Any) -> None:
        fields.setdefault("step", self.step)
        self.events.append(event_class(seq=len(self.events), seconds=self.step * 0.04, **fields))


def loss_at(step: int) -> float:
    """Return a noisy, falling loss that is the same on every machine."""
    noise = ((step * 7919) % 101) / 101 - 0.5
    return 0.3 + 2.0 * math.exp(-step / 40) + 0.12 * noise


def lr_at(step: int) -> float:
    return 0.01 * 0.5 ** (step // PER_EPOCH)


def recorded_run(
    steps: int = 500,
    epochs: int = 10,
    *,
    switch_at: int | None = None,
    nudge_at: int | None = None,
    outcome: Outcome | None = None,
    schedule: str = "StepLR(step_size=1, gamma=0.5)",
    groups: int = 1,
) -> list[Event]:
    """Return the events of a run of `epochs` that has done `steps` steps, 50 per epoch."""
    recording = Recording()
    recording.say(Notice, level="info", code="importing", text="importing PyTorch")
    recording.say(Notice, level="info", code="data", text="data: Tiny from nowhere, 3,200 + 1,000 images")
    spec = RunSpec(schedule=schedule, epochs=epochs)
    recording.say(
        RunStarted,
        spec=spec,
        device="cpu",
        torch_threads=2,
        data={"name": "Tiny", "source": "bundled sample", "where": "nowhere", "train": 3200, "test": 1000},
        parameter_count=1_199_882,
        batches_per_epoch=PER_EPOCH,
        total_steps=epochs * PER_EPOCH,
        group_names=("default", "fc*")[:groups],
        group_lrs=(0.01, 0.001)[:groups],
    )
    scale, switched = 1.0, False
    for step in range(steps):
        recording.step = step
        lr = 0.003 if switched else lr_at(step)
        if step == switch_at:
            before, switched, scale = (lr * scale,), True, 1.0
            recording.say(
                ScheduleSwitched,
                schedule="CosineAnnealingLR(T_max=6)",
                anchor="base",
                lrs=(0.003,),
                lrs_before=before,
            )
            lr = 0.003
        if step == nudge_at:
            recording.say(LrSet, lrs_before=(lr,), lrs_after=(lr * 1.25,), scale=(1.25,), by="user")
            scale = 1.25
        lrs = tuple(lr * scale * share for share in (1.0, 0.1)[:groups])
        epoch = step // PER_EPOCH + 1
        loss = loss_at(step)
        if outcome == "diverged" and step == steps - 1:
            loss = math.nan
        recording.say(StepDone, epoch=epoch, batch=step % PER_EPOCH, loss=loss, lrs=lrs)
        if (step + 1) % PER_EPOCH == 0:
            recording.step = step + 1
            recording.say(EvaluationStarted, epoch=epoch)
            accuracy = round(0.93 - 0.25 * math.exp(-epoch / 2) - (0.004 if epoch == 9 else 0), 4)
            recording.say(EvalDone, epoch=epoch, loss=loss_at(step) - 0.03, accuracy=accuracy, seconds_taken=0.5)
            recording.say(EpochDone, epoch=epoch, lrs=lrs, samples_per_second=1600.0)
    recording.step = steps
    if outcome is not None:
        recording.say(RunFinished, outcome=outcome, error="RuntimeError: broken" if outcome == "failed" else None)
    return recording.events
