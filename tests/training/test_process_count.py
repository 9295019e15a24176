import os

import pytest
import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.spec import RunSpec
from lrtui.training.process_count import process_warnings


def group_of(world_size):
    group = object.__new__(ProcessGroup)
    group.rank, group.world_size, group.local_rank = 0, world_size, 0
    return group


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)


def test_nothing_is_said_of_numbers_that_fit():
    cpu = torch.device("cpu")
    assert process_warnings(RunSpec(batch_size=1), ALONE, cpu) == []
    assert process_warnings(RunSpec(), group_of(2), cpu) == []
    assert process_warnings(RunSpec(), group_of(8), torch.device("cuda")) == []


def test_more_processes_than_cores_are_slow(monkeypatch):
    (text,) = process_warnings(RunSpec(), group_of(3), torch.device("cpu"))
    assert text.startswith("3 processes share the 2 cores of this machine")
    # on two machines
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert process_warnings(RunSpec(), group_of(4), torch.device("cpu")) == []


def test_a_batch_smaller_than_the_number_of_processes_leaves_some_idle():
    (text,) = process_warnings(RunSpec(batch_size=1), group_of(2), torch.device("cpu"))
    assert text == (
        "a batch of 1 sample leaves some of the 2 processes without any: use a larger --batch-size, or --nproc 1"
    )
