"""The scale of the lr, kept outside of the scheduler."""

from __future__ import annotations

import pytest
import torch

from lrtui.run.errors import UsageError
from lrtui.training.lr_scale import LrScale, lrs_of


def optimizer_of(*lrs: float | torch.Tensor) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs], lr=1.0)


def test_a_scheduler_sees_the_unscaled_lr_only() -> None:
    optimizer = optimizer_of(0.1, 0.2)
    scale = LrScale(optimizer)
    scale.scale_by(0.5)
    assert lrs_of(optimizer) == [0.05, 0.1]
    with scale.unscaled_lrs():
        assert lrs_of(optimizer) == [0.1, 0.2]
        for group in optimizer.param_groups:
            group["lr"] *= 0.1
    assert lrs_of(optimizer) == [0.1 * 0.1 * 0.5, 0.2 * 0.1 * 0.5]


def test_the_scaled_lrs_come_back_if_the_scheduler_fails() -> None:
    optimizer = optimizer_of(0.1)
    scale = LrScale(optimizer)
    scale.scale_by(0.5)
    with pytest.raises(ZeroDivisionError), scale.unscaled_lrs():
        raise ZeroDivisionError
    assert lrs_of(optimizer) == [0.05]


def test_a_group_that_is_added_later_begins_unscaled() -> None:
    optimizer = optimizer_of(0.1)
    scale = LrScale(optimizer)
    scale.scale_by(0.5)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.3})
    assert (scale.factors, scale.unscaled) == ([0.5, 1.0], [0.1, 0.3])
    scale.scale_by(0.5)
    assert lrs_of(optimizer) == [0.025, 0.15]
    scale.undo()
    assert lrs_of(optimizer) == [0.05, 0.3]
    scale.undo()
    assert lrs_of(optimizer) == [0.1, 0.3]


def test_an_lr_that_is_a_tensor_is_written_in_place() -> None:
    lr = torch.tensor(0.5)
    optimizer = optimizer_of(lr)
    scale = LrScale(optimizer)
    scale.scale_by(0.25)
    assert optimizer.param_groups[0]["lr"] is lr
    assert lr.item() == 0.125
    scale.undo()
    assert lr.item() == 0.5


def test_within_steps_a_script_never_sees_the_scale() -> None:
    lr = torch.tensor(0.5)
    optimizer = optimizer_of(0.1, lr)
    scale = LrScale(optimizer, within_steps=True)
    scale.scale_by(0.5)
    assert lrs_of(optimizer) == [0.1, 0.5]
    assert scale.lrs == [0.05, 0.25]
    # a script that lowers its lr step by step
    optimizer.param_groups[0]["lr"] *= 0.1
    scale.begin_step(slice(0, 2))
    assert lrs_of(optimizer) == [0.1 * 0.1 * 0.5, 0.25]
    scale.end_step(slice(0, 2))
    assert lrs_of(optimizer) == [0.1 * 0.1, 0.5]
    assert optimizer.param_groups[1]["lr"] is lr


def test_an_lr_that_a_script_writes_beside_its_scheduler_is_unscaled() -> None:
    optimizer = optimizer_of(0.1, 0.2)
    scale = LrScale(optimizer)
    scale.scale_by(0.5)
    optimizer.param_groups[0]["lr"] = 0.4
    scale.adopt()
    assert (scale.unscaled, lrs_of(optimizer)) == ([0.4, 0.2], [0.2, 0.1])


@pytest.mark.parametrize("factor", [0.0, -1.0, float("inf"), float("nan")])
def test_a_factor_that_is_not_positive_changes_nothing(factor: float) -> None:
    optimizer = optimizer_of(0.1)
    scale = LrScale(optimizer)
    with pytest.raises(UsageError, match="positive number"):
        scale.scale_by(factor)
    assert lrs_of(optimizer) == [0.1]
    assert scale.is_neutral
