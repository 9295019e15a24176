"""Runs of scripts with `lrtui.attach`, as lists of events, made without a script."""

from __future__ import annotations

import math
from dataclasses import replace

from recorded_runs import PER_EPOCH, Recording, loss_at, lr_at

from lrtui.run.events import EpochDone, EvalDone, Event, Outcome, RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec

SCRIPT_SPEC = RunSpec(
    task="script:train.py",
    schedule="StepLR(step_size=1, gamma=0.5)",
    optimizer="task:SGD(lr=0.01, momentum=0.9)",
    epochs=10,
)
"""The settings of a script whose scheduler has a notation and whose lengths are known."""

UNKNOWN_LENGTH = replace(SCRIPT_SPEC, schedule="script:LambdaLR()", epochs=1)
"""The settings of a script that only its own scheduler, and no length, is known of."""


def attached_run(
    steps: int = 230,
    spec: RunSpec = SCRIPT_SPEC,
    *,
    has_length: bool = True,
    log_every: int = 10,
    group_from: int | None = None,
    tests: str = "both",
    outcome: Outcome | None = None,
) -> list[Event]:
    """Return the events of a script's run, 50 steps per epoch.

    Args:
        has_length: whether the script has given its length.
        log_every: steps from one that has a loss and a gradient norm to the next.
        group_from: step from which there is a second parameter group.
        tests: what the script logs at the end of an epoch: `both` loss and accuracy, `accuracy`, `perplexity` or "".
    """
    recording = Recording()
    recording.say(
        RunStarted,
        spec=spec,
        settings_known=False,
        device="cpu",
        torch_threads=2,
        data={},
        parameter_count=5,
        batches_per_epoch=PER_EPOCH if has_length else 1,
        total_steps=spec.epochs * PER_EPOCH if has_length else None,
        group_names=("default",),
        group_lrs=(0.01,),
    )
    for step in range(steps):
        recording.step = step
        lrs = (lr_at(step),) if group_from is None or step < group_from else (lr_at(step), 0.1)
        epoch, batch = divmod(step, PER_EPOCH) if has_length else (step, 0)
        has_values = (step + 1) % log_every == 0
        recording.say(
            StepDone,
            epoch=epoch + 1,
            batch=batch,
            loss=loss_at(step) if has_values else math.nan,
            lrs=lrs,
            metrics={"grad_norm": 1.0 + step % 7} if has_values else {},
        )
        if (step + 1) % PER_EPOCH == 0 and tests:
            recording.step = step + 1
            values = {
                "both": {"loss": loss_at(step) - 0.03, "accuracy": 0.5 + step / 1000},
                "accuracy": {"accuracy": 0.5 + step / 1000},
                "perplexity": {"accuracy": None, "metrics": {"perplexity": 10.0 - step / 100}},
            }[tests]
            recording.say(EvalDone, epoch=epoch + 1, seconds_taken=0.0, **{"loss": None, "accuracy": None, **values})
            if has_length:
                recording.say(EpochDone, epoch=epoch + 1, lrs=lrs, samples_per_second=0.0)
    recording.step = steps
    if outcome is not None:
        recording.say(RunFinished, outcome=outcome, error=None)
    return recording.events
