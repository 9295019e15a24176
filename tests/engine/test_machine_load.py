"""The load of the machine, with and without a GPU."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from waiting import wait_for

from lrtui.engine import machine_load
from lrtui.engine.machine_load import NO_GPU, MachineMonitor, gpu_reader


def fake_driver(monkeypatch: pytest.MonkeyPatch, *, utilization: bool = True) -> list[object]:
    driver = ModuleType("pynvml")
    asked: list[object] = []

    def handle(index: object) -> object:
        asked.append(index)
        return index

    def rates(_: object) -> SimpleNamespace:
        if not utilization:
            raise RuntimeError("Not Supported")
        return SimpleNamespace(gpu=87)

    driver.nvmlInit = lambda: None  # type: ignore[attr-defined]
    driver.nvmlDeviceGetHandleByIndex = handle  # type: ignore[attr-defined]
    driver.nvmlDeviceGetHandleByUUID = handle  # type: ignore[attr-defined]
    driver.nvmlDeviceGetUtilizationRates = rates  # type: ignore[attr-defined]
    driver.nvmlDeviceGetMemoryInfo = lambda _: SimpleNamespace(used=2**30, total=2**34)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    return asked


def test_a_gpu_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert fake_driver(monkeypatch) == []
    assert gpu_reader()() == (87.0, 2**30, 2**34)


@pytest.mark.parametrize(("visible", "index"), [("2,3", 2), ("GPU-4f", "GPU-4f")])
def test_the_gpu_is_the_first_that_cuda_may_use(monkeypatch: pytest.MonkeyPatch, visible: str, index: object) -> None:
    asked = fake_driver(monkeypatch)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpu_reader()
    assert asked == [index]


def test_a_part_of_a_gpu_without_utilization_has_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_driver(monkeypatch, utilization=False)
    assert gpu_reader()() == (None, 2**30, 2**34)


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_reader()() == NO_GPU


def test_samples_are_taken_until_the_monitor_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_load, "SAMPLE_SECONDS", 0.01)
    monitor = MachineMonitor()
    assert monitor.latest is None
    monitor.start()
    wait_for(lambda: monitor.latest)
    monitor.close()
    assert monitor.latest is not None
    assert 0 <= monitor.latest.cpu <= 100
    assert 0 < monitor.latest.memory < monitor.latest.total_memory
