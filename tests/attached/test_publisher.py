"""Events that the publisher of an attached run makes of its steps."""

from __future__ import annotations

import math

from lrtui.attached.publisher import Publisher
from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.step_log import StepRecord
from lrtui.run.events import Event, Notice, StepDone
from lrtui.run.spec import RunSpec


def test_a_loss_that_is_not_finite_is_reported_once() -> None:
    publisher = Publisher(None, RunSpec(), 1, RunEpochs(10))
    events: list[Event] = []
    publisher.reporter.feed.listener = events.append
    for step, values in enumerate([{"loss": 0.5}, {}, {"loss": math.nan}, {"loss": math.inf}]):
        publisher._publish(StepRecord(step, 1.0, [0.1], values))
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert (losses[0], losses[3]) == (0.5, math.inf)
    assert math.isnan(losses[1])
    assert math.isnan(losses[2])
    assert [(event.step, event.level, event.code, event.text) for event in events if isinstance(event, Notice)] == [
        (2, "warning", "not-finite", "the script's loss is not finite at step 2: nan")
    ]
