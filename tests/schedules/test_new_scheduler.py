"""A scheduler is added by one file in the catalogue's folder, its class in the same file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lrtui.analysis.checks import check_schedule
from lrtui.run.errors import NotationError
from lrtui.schedules import catalogue
from lrtui.schedules.build import build, check_buildable
from lrtui.schedules.export_code import ScheduleChange, Timeline, torch_code
from lrtui.schedules.lr_placement import peak_lr, place_lr
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon, fill_in
from lrtui.schedules.simulate import simulate
from lrtui.tui.screens.picker.model import PickerModel

SOURCE = '''
"""A linear warm-up to a given peak, then half a cosine."""

from __future__ import annotations

import functools
import math
from typing import Any

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, always
from lrtui.schedules.parameter import Parameter, count


def _fit(arguments: Arguments, calls: int) -> Arguments:
    return {"total": None}


SCHEDULERS = (
    SchedulerEntry(
        name="WarmupCosine",
        summary="a warm-up to peak_lr, then half a cosine",
        family="curve",
        unit="batch",
        parameters=(
            Parameter(name="peak_lr", kind="floats", help="the highest lr", minimum=0, lr="peak", lr_share=1.0),
            count("warmup", "steps of the warm-up", "period", default=5),
            count("total", "steps in all", "length"),
        ),
        example="WarmupCosine(peak_lr=0.1, warmup=5)",
        fills={"total": "the step() calls that remain"},
        class_path=f"{__name__}:WarmupCosine",
        documentation="https://example.org/warmup-cosine",
        absolute=True,
        recomputes=True,
        length_argument="total",
        lowers=always,
        fit=_fit,
    ),
)


@functools.cache
def _warmup_cosine() -> type[Any]:
    from torch.optim.lr_scheduler import LRScheduler

    class WarmupCosine(LRScheduler):
        def __init__(self, optimizer, peak_lr, warmup=5, total=100, last_epoch=-1):
            self.peaks = peak_lr if isinstance(peak_lr, list) else [peak_lr] * len(optimizer.param_groups)
            self.warmup, self.total = warmup, total
            super().__init__(optimizer, last_epoch)

        def get_lr(self):
            done = self.last_epoch
            if done < self.warmup:
                return [peak * (done + 1) / self.warmup for peak in self.peaks]
            share = min(1.0, (done - self.warmup) / max(1, self.total - self.warmup))
            return [0.5 * peak * (1 + math.cos(math.pi * share)) for peak in self.peaks]

    return WarmupCosine


def __getattr__(name: str) -> Any:
    if name == "WarmupCosine":
        return _warmup_cosine()
    raise AttributeError(name)
'''

MODULE = "lrtui.schedules.catalogue.warmup_cosine"
OPTIMIZER = parse_optimizer("SGD(lr=0.5)")
HORIZON = Horizon(10, 20)


@pytest.fixture(autouse=True)
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[catalogue.SchedulerEntry]:
    """Put the file in a second folder of the catalogue and have it found."""
    (tmp_path / "warmup_cosine.py").write_text(SOURCE)
    monkeypatch.setattr(catalogue, "__path__", [*catalogue.__path__, str(tmp_path)])
    found = catalogue.find_schedulers()["WarmupCosine"]
    monkeypatch.setitem(catalogue.CATALOGUE, "WarmupCosine", found)
    yield found
    del sys.modules[MODULE]


def test_the_file_is_found_and_listed_with_its_family(entry: catalogue.SchedulerEntry) -> None:
    names = list(catalogue.find_schedulers())
    assert names.index("SWALR") < names.index("WarmupCosine") < names.index("LinearLR")
    assert entry.url == "https://example.org/warmup-cosine"


def test_it_is_read_filled_in_and_written_back() -> None:
    schedule = parse_schedule("scheduler = WarmupCosine(optimizer, 0.1)")
    assert (str(schedule), schedule.per) == ("WarmupCosine(peak_lr=0.1)", "batch")
    filled, values = fill_in(schedule, HORIZON)
    assert (str(filled), values) == ("WarmupCosine(peak_lr=0.1, total=200)", {"total": 200})
    with pytest.raises(NotationError, match="did you mean warmup"):
        parse_schedule("WarmupCosine(0.1, warm_up=3)")


def test_it_is_simulated_and_built_by_its_own_class() -> None:
    lrs = simulate(parse_schedule("WarmupCosine(0.1)"), OPTIMIZER, HORIZON)[:, 0]
    assert lrs[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert lrs.max() == 0.1
    assert 0 < lrs[-1] < 1e-4
    assert np.all(np.diff(lrs[5:]) <= 0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    assert type(build(parse_schedule("WarmupCosine(0.1)"), optimizer, HORIZON)).__name__ == "WarmupCosine"


def test_it_works_inside_a_composite() -> None:
    schedule = parse_schedule('SequentialLR([ConstantLR(), WarmupCosine(0.1)], milestones=[50], per="batch")')
    filled, values = fill_in(schedule, HORIZON)
    assert values == {"schedulers[1].total": 150}
    check_buildable(filled, OPTIMIZER, HORIZON)


def test_a_chosen_lr_goes_to_its_peak() -> None:
    placed = place_lr("WarmupCosine(peak_lr=0.1)", "SGD(lr=0.5)", 0.02)
    assert (placed.schedule, placed.optimizer) == ("WarmupCosine(peak_lr=0.02)", "SGD(lr=0.5)")
    assert peak_lr(placed.schedule, placed.optimizer) == 0.02


def test_it_is_checked() -> None:
    assert check_schedule(parse_schedule("WarmupCosine(0.1)"), OPTIMIZER, HORIZON) == []
    findings = check_schedule(parse_schedule("WarmupCosine(0.1, total=20)"), OPTIMIZER, HORIZON)
    assert [finding.code for finding in findings] == ["dead-tail"]


def test_its_code_imports_its_class() -> None:
    filled, _ = fill_in(parse_schedule("WarmupCosine(0.1)"), HORIZON)
    timeline = Timeline(first=ScheduleChange(filled, "base"), optimizer=OPTIMIZER, epochs=10, batches_per_epoch=20)
    code = torch_code(timeline)
    assert f"from {MODULE} import WarmupCosine" in code
    compile(code, "exported.py", "exec")


def test_the_picker_offers_it_with_a_peak_that_fits_the_optimizer() -> None:
    model = PickerModel("StepLR(step_size=3)", "SGD(lr=0.5)", HORIZON)
    assert "WarmupCosine" in [each.name for each in model.entries("warm")]
    model.choose("WarmupCosine")
    assert model.text == "WarmupCosine(peak_lr=0.5, warmup=5)"
    assert model.filled_in == "WarmupCosine(peak_lr=0.5, warmup=5, total=200)"
    assert [field.name for field in model.fields] == ["peak_lr", "warmup", "total", "per"]


def test_a_class_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    elsewhere = dataclasses.replace(catalogue.CATALOGUE["StepLR"], class_path="not_installed.module:StepLR")
    monkeypatch.setitem(catalogue.CATALOGUE, "StepLR", elsewhere)
    with pytest.raises(NotationError, match=r"StepLR needs not_installed\.module, which can't be imported"):
        check_buildable(parse_schedule("StepLR(3)"), OPTIMIZER, HORIZON)
