"""Runs as logs of other tools show them: losses at some steps, no settings, no length and no last event."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from lrtui.run.events import EpochDone, EvalDone, Event, RunFinished, RunStarted, StepDone
from lrtui.run.spec import LOG, RunSpec


def as_log(
    events: Iterable[Event], *, every: int = 5, lr_every: int = 5, total_steps: int | None = None, tests: bool = True
) -> list[Event]:
    """Return the events of the log of a run.

    Args:
        every: steps from one logged loss to the next, and the last one is logged; a logged NaN is infinite, since NaN
            stands for none.
        lr_every: steps from one logged lr to the next, which holds until then; 0 for none.
        total_steps: the length of the run, if the log says it.
        tests: whether test results are logged.
    """
    events = list(events)
    last = max(event.step for event in events if isinstance(event, StepDone))
    found: list[Event] = []
    held: tuple[float, ...] = ()
    for event in events:
        if isinstance(event, RunStarted):
            spec = RunSpec(task=f"{LOG}:/logs/run", schedule="", epochs=1)
            unknown = tuple(math.nan for _ in event.group_lrs)
            event = replace(
                event,
                spec=spec,
                settings_known=False,
                data={},
                batches_per_epoch=1,
                total_steps=total_steps,
                group_lrs=unknown,
            )
            held = unknown
        elif isinstance(event, StepDone):
            is_logged = (event.step + 1) % every == 0 or event.step == last
            loss = math.nan if not is_logged else math.inf if math.isnan(event.loss) else event.loss
            held = event.lrs if lr_every and event.step % lr_every == 0 else held
            event = replace(event, loss=loss, lrs=held)
        elif isinstance(event, EvalDone | EpochDone):
            if not tests:
                continue
        elif isinstance(event, RunFinished) or not isinstance(event, StepDone):
            continue
        found.append(event)
    return found
