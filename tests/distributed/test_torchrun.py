import pytest

from lrtui.distributed.torchrun import TorchrunRank, is_first_rank, torchrun_rank

OF_TORCHRUN = {"MASTER_ADDR": "node1", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}


def test_the_environment_names_the_rank():
    assert torchrun_rank(OF_TORCHRUN) == TorchrunRank(rank=5, world_size=8, local_rank=1)


@pytest.mark.parametrize(
    "other", [{"WORLD_SIZE": "1", "RANK": "0"}, {"RANK": ""}, {"WORLD_SIZE": "many"}], ids=["alone", "no rank", "text"]
)
def test_there_is_no_rank_in_any_other_environment(other):
    assert torchrun_rank(OF_TORCHRUN | other) is None
    assert torchrun_rank({}) is None


def test_a_process_without_torchrun_is_the_first(monkeypatch):
    assert is_first_rank()
    for name, value in OF_TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert not is_first_rank()
