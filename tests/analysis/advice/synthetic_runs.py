"""Runs made from the figures of their epochs, and the advice on them."""

from __future__ import annotations

from dataclasses import replace

from advice_verdict import advice_on
from recorded_runs import Recording

from lrtui.analysis.advice.advice import Advice
from lrtui.run.events import DeadLayer, EpochDone, EvalDone, Event, RunStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState


def state_of(events: list[Event]) -> RunState:
    state = RunState()
    state.fold(events)
    return state


def only(events: list[Event]) -> Advice:
    (given,) = advice_on(events)
    return given.advice


def codes(events: list[Event]) -> list[str]:
    return [given.advice.code for given in advice_on(events)]


def synthetic_run(
    lrs: list[float],
    results: list[tuple[float, float | None]],
    *,
    spec: RunSpec | None = None,
    epochs: int | None = None,
    group_share: float | None = None,
    dead_layer: DeadLayer | None = None,
) -> list[Event]:
    """Return a run of 50 steps per epoch, with the given lr, test loss and accuracy in each epoch."""
    groups = 1 if group_share is None else 2
    spec = spec or RunSpec(schedule="ExponentialLR(gamma=0.1)", optimizer="Adam(lr=0.01)")
    spec = replace(spec, epochs=epochs or len(lrs))
    shares = (1.0, group_share or 1.0)[:groups]
    recording = Recording()
    recording.say(
        RunStarted,
        spec=spec,
        device="cpu",
        torch_threads=1,
        data={"name": "synthetic", "test": 10_000},
        parameter_count=1,
        batches_per_epoch=50,
        total_steps=spec.epochs * 50,
        group_names=("default", "fc*")[:groups],
        group_lrs=tuple(lrs[0] * share for share in shares),
    )
    for epoch, (lr, (loss, accuracy)) in enumerate(zip(lrs, results, strict=True), start=1):
        used = tuple(lr * share for share in shares)
        for batch in range(50):
            recording.step = (epoch - 1) * 50 + batch
            recording.say(StepDone, epoch=epoch, batch=batch, loss=loss, lrs=used)
        recording.step = epoch * 50
        recording.say(EvalDone, epoch=epoch, loss=loss, accuracy=accuracy, seconds_taken=0.1)
        recording.say(EpochDone, epoch=epoch, lrs=used, samples_per_second=1.0, dead_layer=dead_layer)
    return recording.events


TUTORIAL = [0.01, 0.001, 1e-4, 1e-5]
STAGNANT = [(0.48, 0.829), (0.39, 0.862), (0.387, 0.863), (0.387, 0.864)]
