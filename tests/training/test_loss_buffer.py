"""Losses on an accelerator, for which the CPU stands in: they are read together, and no step is lost."""

from __future__ import annotations

import math

import pytest
import torch

from lrtui.run.events import StepDone
from lrtui.run.feed import LiveFeed
from lrtui.training import loss_buffer
from lrtui.training.loss_buffer import Diverged, LossBuffer
from lrtui.training.reporter import Reporter

# a device that is not the CPU; nothing is computed on it
ELSEWHERE = torch.device("meta")


def gathered(losses: list[float], log_every: int = 5) -> tuple[LossBuffer, LiveFeed, Reporter]:
    feed = LiveFeed()
    reporter = Reporter(feed)
    losses_on_device = LossBuffer(reporter, ELSEWHERE)
    for batch, loss in enumerate(losses):
        losses_on_device.add(1, batch, (0.1,), torch.tensor(loss), {}, batch % log_every == 0)
        reporter.step += 1
    return losses_on_device, feed, reporter


@pytest.fixture(autouse=True)
def a_clock_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_buffer.time, "perf_counter", lambda: 1.0)


def test_losses_are_read_at_a_log_line_and_come_in_order() -> None:
    losses, feed, _ = gathered([0.5, 0.4, 0.3])
    assert [event.step for event in feed.take(9)] == [0]
    losses.flush()
    rest = feed.take(9)
    assert [(e.step, e.batch) for e in rest if isinstance(e, StepDone)] == [(1, 1), (2, 2)]
    assert [e.loss for e in rest if isinstance(e, StepDone)] == pytest.approx([0.4, 0.3])


def test_losses_are_read_after_a_quarter_second(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, feed, _reporter = gathered([0.5, 0.4, 0.3])
    monkeypatch.setattr(loss_buffer.time, "perf_counter", lambda: 1.3)
    losses.add(1, 3, (0.1,), torch.tensor(0.2), {}, False)
    assert [event.step for event in feed.take(9)] == [0, 1, 2, 3]


def test_the_first_loss_that_is_not_finite_ends_it_and_what_came_after_is_dropped() -> None:
    losses, feed, reporter = gathered([0.5, 0.4, math.nan, 0.3])
    with pytest.raises(Diverged):
        losses.flush()
    assert [event.step for event in feed.take(9)] == [0, 1, 2]
    assert reporter.step == 3


def test_metrics_of_a_step_are_read_with_its_loss() -> None:
    feed = LiveFeed()
    buffer = LossBuffer(Reporter(feed), ELSEWHERE)
    buffer.add(1, 0, (0.1,), torch.tensor(0.5), {"norm": torch.tensor(2.0, dtype=torch.float64), "count": 3}, False)
    assert feed.take(9) == []
    buffer.flush()
    (event,) = feed.take(9)
    assert isinstance(event, StepDone)
    assert (event.loss, event.metrics) == (0.5, {"norm": 2.0, "count": 3.0})
