"""Runs of several processes against those of one, for each kind of data and each form of task."""

from __future__ import annotations

import math
import random

import batch_norm_tasks
import pytest
import shared_tasks
import torch
from group_processes import RankProcesses
from shared_runs import train_alone, train_task

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.training.batch_share import divide

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
        torch.testing.assert_close(found.buffers, alone.buffers, atol=10 * tolerance, rtol=tolerance)
    # what a schedule follows is the same to the last digit
    assert all(found.tests == ranks[0].tests and found.losses == ranks[0].losses for found in ranks)
    return alone


def assert_fails(processes, make_task, settings, text):
    """Check that all processes end, and return the error of rank 0, which reports it."""
    first, second = processes[2].call(train_task, make_task, (), settings)
    assert first.outcome == second.outcome == "failed"
    assert text in first.error
    return first.error


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("task", shared_tasks.ALL, ids=lambda task: task.__name__)
def test_a_run_of_several_processes_equals_that_of_one(processes, world_size, task):
    # an area under a curve changes with the order of outputs that differ in their last digit
    tolerance = 1e-3 if task is shared_tasks.WholeSet else 1e-5
    assert_equals_one_process(processes, world_size, task, tolerance=tolerance)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        ("OwnReader", {"accumulate": 3, "clip_grad_norm": 0.1}),
        ("InMemory", {"accumulate": 2, "max_steps": 3, "test_every": 2}),
        ("OwnStep", {"accumulate": 2, "batch_size": 4, "clip_grad_norm": 0.5}),
        ("InMemory", {"schedule": "SWALR(swa_lr=0.005)", "epochs": 3}),
        ("AsDataset", {"schedule": 'ReduceLROnPlateau(metric="accuracy", mode="max", patience=0)', "epochs": 3}),
    ],
)
def test_the_settings_of_a_step_apply_to_the_whole_batch(processes, task, settings):
    assert_equals_one_process(processes, 3, getattr(shared_tasks, task), **settings)


def test_in_bfloat16_all_processes_agree(processes):
    settings = {**SETTINGS, "precision": "bf16"}
    first, second = processes[2].call(train_task, shared_tasks.InMemory, (), settings)
    assert first.outcome == "done"
    assert (first.losses, first.tests) == (second.losses, second.tests)
    assert torch.equal(first.weights, second.weights)


@pytest.mark.parametrize(
    ("task", "model", "settings"),
    [
        ("Normed", "Flat", {"schedule": "SWALR(swa_lr=0.005)", "epochs": 3}),
        ("Normed", "Lazy", {"train_samples": 42}),
        ("Normed", "Cumulative", {"accumulate": 2, "clip_grad_norm": 0.1}),
        ("Normed", "WithoutRunningStatistics", {}),
        ("Normed", "OwnClass", {}),
        ("Normed", "Images", {}),
        ("Normed", "Volumes", {}),
        ("Normed", "Mixed", {}),
        ("Normed", "Recomputed", {}),
        ("Normed", "Images", {"parallel": "fsdp2"}),
        ("SmallBatches", "Mixed", {}),
        ("SmallBatches", "Flat", {"parallel": "fsdp2"}),
        ("TwoOptimizers", "Flat", {}),
        ("Penalized", "Flat", {}),
    ],
)
def test_batch_norm_normalizes_by_the_whole_batch(processes, task, model, settings):
    make_task, model = getattr(batch_norm_tasks, task), getattr(batch_norm_tasks, model)
    alone = assert_equals_one_process(processes, 3, make_task, model, tolerance=1e-9, **settings)
    assert not any("normalizes" in text for text in alone.notices)


def test_dropout_within_a_layer_is_drawn_apart_and_leaves_the_generators_alike(processes):
    settings = {**SETTINGS, "batch_size": 9}
    (first, states), (second, other_states) = processes[2].call(train_attention, settings)
    assert len(set(first)) > 1
    assert set(first).isdisjoint(second)
    # uneven shares, after which the next number is the same
    assert states == other_states


def train_attention(group, settings):
    shared_tasks.Attention.seen.clear()
    trained = train_task(group, shared_tasks.Attention, (), settings)
    assert trained.outcome == "done", trained.error
    return shared_tasks.Attention.seen, torch.get_rng_state().tolist()


def test_batch_norm_in_bfloat16_is_that_of_the_whole_batch(processes):
    settings = {**SETTINGS, "precision": "bf16"}
    alone = train_alone(shared_tasks.WithBatchNorm, (), settings)
    first, second = processes[2].call(train_task, shared_tasks.WithBatchNorm, (), settings)
    assert (first.losses, first.tests) == (second.losses, second.tests)
    assert torch.equal(first.buffers, second.buffers)
    assert first.losses == pytest.approx(alone.losses, abs=0.01)


def test_batch_norm_with_statistics_of_its_own_gets_a_warning(processes):
    arguments = (batch_norm_tasks.WithOwnStatistics,)
    first, second = processes[2].call(train_task, batch_norm_tasks.Normed, arguments, SETTINGS)
    assert any("OwnStatistics has a forward of its own" in text for text in first.notices)
    assert first.losses == second.losses


def test_a_batch_of_one_sample_is_refused_with_batch_norm(processes):
    settings = {**SETTINGS, "batch_size": 20, "train_samples": 41}
    text = "the last of the 3 training batches has one sample"
    assert "--train-samples 40" in assert_fails(processes, shared_tasks.WithBatchNorm, settings, text)


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("Indivisible", "in a batch of 10 samples is a float32 (5, 10, 6), which 2 processes can't divide"),
        ("Divided", "with a DistributedSampler: leave it out"),
        ("FailsAtTheTest", "test_metrics fails on outputs"),
    ],
)
def test_what_cant_be_shared_is_refused_in_all_processes(processes, task, text):
    assert_fails(processes, getattr(shared_tasks, task), SETTINGS, text)


def test_divergence_ends_all_processes_at_the_same_step(processes):
    settings = {**SETTINGS, "optimizer": "SGD(lr=1e30)"}
    alone = train_alone(shared_tasks.InMemory, (), settings)
    for found in processes[3].call(train_task, shared_tasks.InMemory, (), settings):
        assert found.outcome == alone.outcome == "diverged"
        assert len(found.losses) == len(alone.losses)
        assert not math.isfinite(found.losses[-1])


def test_shares_of_any_nesting_cover_a_batch_once():
    draw = random.Random(4)
    for _ in range(300):
        count, world_size = draw.randint(1, 40), draw.randint(2, 9)
        batch = random_batch(draw, count)
        shares = divide(batch, group_of(0, world_size), "training_data()")
        assert len(shares) == world_size
        assert sum(share.samples for share in shares) == count
        assert [row for share in shares if share.samples for row in range(count)[share.rows]] == list(range(count))
        for share in shares:
            assert numbers(share.batch) == [list(range(count)[share.rows])] * len(numbers(batch))


def group_of(rank, world_size):
    group = object.__new__(ProcessGroup)
    group.rank, group.world_size = rank, world_size
    return group


def random_batch(draw, count):
    """Return a batch whose parts have the number of each sample in it."""
    column = torch.arange(count)
    forms = [
        lambda: column.clone(),
        lambda: column.unsqueeze(1).expand(count, 3),
        lambda: column.numpy().copy(),
        lambda: {"x": column.unsqueeze(1), "name": "text", "scale": 0.5},
        lambda: [{"box": torch.full((draw.randint(1, 3), 4), index)} for index in range(count)],
        lambda: shared_tasks.Pair(column.unsqueeze(1), column),
        lambda: (column.clone(), column.unsqueeze(1)),
    ]
    return draw.choice([tuple, list])([column.unsqueeze(1).repeat(1, 5), draw.choice(forms)()])


def numbers(value):
    """Return the numbers of the samples in each part of a batch."""
    if isinstance(value, dict):
        return [found for item in value.values() for found in numbers(item)]
    if isinstance(value, shared_tasks.Pair):
        return numbers(value.inputs) + numbers(value.targets)
    if isinstance(value, (list, tuple)):
        if value and isinstance(value[0], dict):
            return [[int(item["box"].flatten()[0]) for item in value]]
        return [found for item in value for found in numbers(item)]
    if hasattr(value, "reshape"):
        return [[int(row) for row in value.reshape(len(value), -1)[:, 0]]]
    return []


def test_the_values_that_a_lightning_module_logs_are_those_of_the_whole_test_set(processes):
    pytest.importorskip("lightning")
    assert_equals_one_process(processes, 2, shared_tasks.lightning_task)


@pytest.mark.parametrize("task", ["InMemory", "ChannelsLast", "OwnBatchSampler", "Dropouts", "WholeSet"])
def test_a_model_that_is_divided_gives_the_results_of_a_whole_one(processes, task):
    # some batches have fewer samples than there are processes
    tolerance = 1e-3 if task == "WholeSet" else 1e-5
    task = getattr(shared_tasks, task)
    assert_equals_one_process(processes, 2, task, tolerance=tolerance, parallel="fsdp2", clip_grad_norm=0.5)


@pytest.mark.parametrize(
    ("task", "settings", "text"),
    [
        ("Manual", {}, "--parallel fsdp2 can't be combined with a step(model, batch, optimizers)"),
        ("InMemory", {"schedule": "SWALR(swa_lr=0.005)"}, "can't be combined with SWALR, which averages a copy"),
        ("OwnStep", {}, "only while model(...) is called"),
    ],
)
def test_what_a_divided_model_cant_do_is_refused(processes, task, settings, text):
    settings = {**SETTINGS, "parallel": "fsdp2", **settings}
    assert_fails(processes, getattr(shared_tasks, task), settings, text)


def test_a_checkpoint_of_a_divided_model_fits_a_whole_one(processes, tmp_path):
    settings = {**SETTINGS, "parallel": "fsdp2"}
    whole = train_alone(shared_tasks.InMemory, (), settings)
    processes[2].call(train_task, shared_tasks.InMemory, (), {**settings, "at": ("step 4: stop",)}, tmp_path)
    alone = resume(ALONE, settings, tmp_path)
    assert alone.losses == pytest.approx(whole.losses[4:], abs=1e-5)
    for found in processes[2].call(resume, settings, tmp_path):
        assert found.losses == pytest.approx(whole.losses[4:], abs=1e-5)
        torch.testing.assert_close(found.weights, whole.weights, atol=1e-4, rtol=0)


def resume(group, settings, folder):
    return train_task(group, shared_tasks.InMemory, (), settings, folder, resumes=True)
