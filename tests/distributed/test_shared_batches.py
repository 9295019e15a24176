"""Runs of several processes against those of one, for each kind of data and each form of task."""

from __future__ import annotations

import pytest
import shared_tasks
import torch
from rank_processes import RankProcesses
from shared_runs import train_alone, train_task

pytestmark = pytest.mark.xdist_group("shared-batches")

SETTINGS = {
    "task": "tests",
    "schedule": "CosineAnnealingLR()",
    "optimizer": "Adam(lr=0.01)",
    "epochs": 2,
    "batch_size": 10,
    "seed": 3,
    "device": "cpu",
}


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    started = {size: RankProcesses(size, tmp_path_factory.mktemp(f"group{size}")) for size in (2, 3)}
    yield started
    for each in started.values():
        each.close()


def assert_equals_one_process(processes, world_size, make_task, *arguments, tolerance=1e-5, **settings):
    settings = {**SETTINGS, **settings}
    alone = train_alone(make_task, arguments, settings)
    assert alone.outcome == "done", alone.error
    ranks = processes[world_size].call(train_task, make_task, arguments, settings)
    for found in ranks:
        assert (found.outcome, found.error) == ("done", "")
        assert found.lrs == alone.lrs
        assert found.losses == pytest.approx(alone.losses, abs=tolerance)
        assert [list(metrics) for metrics in found.step_metrics] == [list(metrics) for metrics in alone.step_metrics]
        for values, expected in zip(found.step_metrics, alone.step_metrics, strict=True):
            assert values == pytest.approx(expected, abs=tolerance, rel=tolerance)
        for test, expected in zip(found.tests, alone.tests, strict=True):
            assert test == pytest.approx(expected, abs=tolerance)
        torch.testing.assert_close(found.weights, alone.weights, atol=10 * tolerance, rtol=0)
    # what a schedule follows is the same to the last digit
    assert all(found.tests == ranks[0].tests and found.losses == ranks[0].losses for found in ranks)
    return alone


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize(
    "task",
    [task for task in shared_tasks.ALL if task is not shared_tasks.WithBatchNorm],
    ids=lambda task: task.__name__,
)
def test_a_run_of_several_processes_equals_that_of_one(processes, world_size, task):
    # an area under a curve changes with the order of outputs that differ in their last digit
    tolerance = 1e-3 if task is shared_tasks.WholeSet else 1e-5
    assert_equals_one_process(processes, world_size, task, tolerance=tolerance)
