import pytest
import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import UsageError


def group_of(rank, world_size):
    group = object.__new__(ProcessGroup)
    group.rank, group.world_size, group.local_rank = rank, world_size, rank
    return group


@pytest.mark.parametrize(("samples", "world_size"), [(64, 2), (101, 2), (7, 3), (1, 2), (0, 4), (5, 1)])
def test_the_shares_of_a_batch_cover_it_in_order(samples, world_size):
    shares = [group_of(rank, world_size).share(samples) for rank in range(world_size)]
    assert [index for share in shares for index in range(samples)[share]] == list(range(samples))
    sizes = [share.stop - share.start for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_a_group_of_one_returns_what_it_is_given():
    assert ALONE.is_first
    assert ALONE.broadcast({"a": 1}) == {"a": 1}
    assert ALONE.gather("x") == ["x"]
    assert ALONE.share(10) == slice(0, 10)


def test_without_the_environment_of_torchrun_a_process_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert ProcessGroup.of_environment() is ALONE


def test_several_processes_train_on_cpus_and_cuda_gpus_only():
    group_of(1, 2).use_device(torch.device("cpu"))
    ALONE.use_device(torch.device("mps"))
    with pytest.raises(UsageError, match="2 processes can't train together on mps: use --device cpu"):
        group_of(1, 2).use_device(torch.device("mps"))


def test_each_process_needs_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="process 1 of this machine has no GPU: there is 1; start as many"):
        group_of(1, 2).use_device(torch.device("cuda"))
