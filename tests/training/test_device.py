from __future__ import annotations

import pytest
import torch

from lrtui.run.errors import DeviceError
from lrtui.training.device import choose_device, present_devices
from lrtui.training.random_state import random_state_restored, seed_everything


def test_auto_takes_the_first_available_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"


def test_a_missing_device_is_refused_with_the_available_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert present_devices() == ["cpu"]
    with pytest.raises(DeviceError, match="--device cuda: PyTorch finds no such device; available: cpu"):
        choose_device("cuda")


def test_random_states_are_restored() -> None:
    seed_everything(3)
    expected = torch.rand(2).tolist()
    seed_everything(3)
    with random_state_restored(torch.device("cpu")):
        torch.rand(100)
    assert torch.rand(2).tolist() == expected
