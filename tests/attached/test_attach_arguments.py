"""Mistakes in the arguments of `attach` and in what is logged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from seen_events import see_events
from torch.optim import lr_scheduler

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.errors import UsageError
from lrtui.run.events import StepDone


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


OPTIMIZER, OTHER = sgd(), sgd()
SCHEDULER = lr_scheduler.ExponentialLR(OPTIMIZER, 0.9)


@pytest.mark.parametrize(
    ("optimizer", "scheduler", "message"),
    [
        ({}, None, "the dict of optimizers is empty"),
        ({"a b": OPTIMIZER}, None, "must be identifiers, such as generator"),
        ({"a": OPTIMIZER, "b": OPTIMIZER}, None, "the same optimizer is given under two names"),
        ({"a": OPTIMIZER}, {"b": SCHEDULER}, "there is no optimizer 'b' for its scheduler; there are a"),
        (OPTIMIZER, [SCHEDULER, SCHEDULER], "the same ExponentialLR is given twice"),
        (OTHER, SCHEDULER, "the ExponentialLR is that of another optimizer"),
        (torch.nn.Parameter(torch.zeros(9, 9)), None, "not a Parameter"),
        (OPTIMIZER, OPTIMIZER, "scheduler must be a scheduler, a list of them, None, or a dict"),
    ],
)
def test_what_can_not_be_attached_is_refused_in_one_line(optimizer: Any, scheduler: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        lrtui.attach(optimizer, scheduler, store="none")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_whole_numbers() -> None:
    run = lrtui.attach(sgd(), epochs=np.int64(2), batches_per_epoch=np.int32(3), store="none")
    assert list(run.epochs()) == [0, 1]
    with pytest.raises(UsageError, match="epochs must be a whole number"):
        lrtui.attach(sgd(), epochs=2.0, store="none")  # type: ignore[arg-type]


def test_values_that_are_no_numbers_are_left_out_with_one_message_each(capsys: pytest.CaptureFixture[str]) -> None:
    optimizer = sgd()
    run = lrtui.attach(optimizer, store="none")
    assert isinstance(run, AttachedRun)
    events: list[Any] = []
    see_events(run, events)
    for _ in range(3):
        optimizer.step()
        run.log({"line\nbreak": 2.0}, loss=1.0, nothing=None, many=torch.zeros(3))
        run.log(3.0)  # type: ignore[arg-type]
    run.finish()
    steps = [event for event in events if isinstance(event, StepDone)]
    assert [step.loss for step in steps] == [1.0] * 3
    assert [list(step.metrics.values()) for step in steps] == [[2.0]] * 3
    assert not any("\n" in name for step in steps for name in step.metrics)
    said = capsys.readouterr().err.splitlines()
    assert sorted(line.partition(" takes")[0] for line in said) == [
        "lrtui: run.log",
        "lrtui: run.log(many=...)",
        "lrtui: run.log(nothing=...)",
    ]
