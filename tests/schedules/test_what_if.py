"""A schedule over the test results of a run that had another one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recorded_runs import recorded_run
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrtui.run.errors import UsageError
from lrtui.run.state import RunState
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import WhatIf, cuts_text, lr_cuts, recorded_results, what_if

LOSSES = [1.0, 0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4]


def over(schedule: str, losses: list[float] = LOSSES, epochs: int = 9, batches: int = 3) -> WhatIf:
    results = [{"loss": loss} for loss in losses]
    return what_if(parse_schedule(schedule), parse_optimizer("SGD(lr=1.0)"), Horizon(epochs, batches), results)


def test_a_plateau_cuts_where_pytorchs_own_class_does() -> None:
    found = over("ReduceLROnPlateau(factor=0.5, patience=1)")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    lrs, cuts = [], []
    for epoch in range(1, 10):
        lrs += [optimizer.param_groups[0]["lr"]] * 3
        if epoch <= len(LOSSES):
            scheduler.step(LOSSES[epoch - 1])
            if optimizer.param_groups[0]["lr"] < lrs[-1]:
                cuts.append(epoch)
    assert found.lrs[:, 0].tolist() == lrs
    assert list(found.cuts) == cuts == [4, 7]


def test_the_arguments_of_a_plateau_decide_when_it_cuts() -> None:
    assert over("ReduceLROnPlateau(factor=0.5, patience=0)").cuts == (3, 4, 6, 7, 8)
    assert over("ReduceLROnPlateau(factor=0.5, patience=9)").cuts == ()
    # a change smaller than eps is no cut
    assert over("ReduceLROnPlateau(factor=0.5, patience=0, eps=0.3)").cuts == (3,)


def test_any_schedule_can_be_simulated_over_a_run() -> None:
    found = over("CosineAnnealingLR()")
    assert str(found.schedule) == "CosineAnnealingLR(T_max=9)"
    assert found.filled_in == {"T_max": 9}
    # only a plateau cuts
    assert found.cuts == ()
    assert found.lrs.shape == (27, 1)


def test_a_metric_that_no_test_has_is_refused() -> None:
    with pytest.raises(UsageError, match=r"follows the test's accuracy; the tests of that run return loss"):
        over('ReduceLROnPlateau(mode="max")')


def test_cuts_are_counted_from_the_start_of_the_lrs() -> None:
    lrs = np.array([[1.0], [1.0], [0.5], [0.5], [0.25]])
    assert lr_cuts(lrs, Horizon(5, 2, 3)) == ()
    assert lr_cuts(lrs, Horizon(5, 2, 2)) == (2, 3)
    assert lr_cuts(lrs[:, :0], Horizon(5, 2)) == ()


def test_cuts_as_text() -> None:
    assert cuts_text((5, 8)) == "would have cut after epochs 5, 8"
    assert cuts_text((5,)) == "would have cut after epoch 5"
    assert cuts_text(()) == "would not have cut the lr"


def test_the_results_of_a_branch_follow_those_of_its_parent() -> None:
    parent, branch = RunState(), RunState()
    parent.fold(recorded_run(200))
    branch.fold([event for event in recorded_run(300, outcome="done") if event.step >= 100 or event.seq < 4])
    results = recorded_results([parent, branch])
    assert len(results) == 6
    assert all(result.keys() == {"accuracy", "loss"} for result in results)
    # results before the branch are in its parent only
    branch_results = recorded_results([branch])
    assert branch_results[0] == {}
    assert branch_results[4:] == results[4:]
    assert recorded_results([RunState()]) == []
