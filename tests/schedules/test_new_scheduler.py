"""A scheduler is added by one file in the catalogue's folder, its class in the same file."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from generated_code import lrs_of

from lrtui.analysis.checks import check_schedule
from lrtui.run.errors import NotationError
from lrtui.schedules import catalogue
from lrtui.schedules.build import build, check_buildable
from lrtui.schedules.catalogue.entry import Family
from lrtui.schedules.export_code import ScheduleChange, Timeline, torch_code
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.lr_placement import peak_lr, place_lr
from lrtui.schedules.notation import parse_optimizer, parse_schedule
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
        name="PeakCosineLR",
        summary="a warm-up to peak_lr, then half a cosine",
        family="curve",
        unit="batch",
        parameters=(
            Parameter(name="peak_lr", kind="floats", help="the highest lr", minimum=0, lr="peak", lr_share=1.0),
            count("warmup", "steps of the warm-up", "period", default=5),
            count("total", "steps in all", "length"),
        ),
        example="PeakCosineLR(peak_lr=0.1, warmup=5)",
        fills={"total": "the step() calls that remain"},
        class_path=f"{__name__}:PeakCosineLR",
        documentation="https://example.org/peak-cosine",
        absolute=True,
        recomputes=True,
        length_argument="total",
        lowers=always,
        fit=_fit,
    ),
)


@functools.cache
def _peak_cosine() -> type[Any]:
    from torch.optim.lr_scheduler import LRScheduler

    class PeakCosineLR(LRScheduler):
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

    return PeakCosineLR


def __getattr__(name: str) -> Any:
    if name == "PeakCosineLR":
        return _peak_cosine()
    raise AttributeError(name)
'''

MODULE = "lrtui.schedules.catalogue.peak_cosine"
OPTIMIZER = parse_optimizer("SGD(lr=0.5)")
HORIZON = Horizon(10, 20)


@pytest.fixture(autouse=True)
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[catalogue.SchedulerEntry]:
    """Put the file in a second folder of the catalogue and have it found."""
    (tmp_path / "peak_cosine.py").write_text(SOURCE)
    monkeypatch.setattr(catalogue, "__path__", [*catalogue.__path__, str(tmp_path)])
    found = catalogue.find_schedulers()["PeakCosineLR"]
    monkeypatch.setitem(catalogue.CATALOGUE, "PeakCosineLR", found)
    yield found
    del sys.modules[MODULE]


def test_the_file_is_found_and_listed_with_its_family(entry: catalogue.SchedulerEntry) -> None:
    families = [found.family for found in catalogue.find_schedulers().values()]
    assert "PeakCosineLR" in catalogue.find_schedulers()
    assert families == sorted(families, key=get_args(Family).index)
    assert entry.url == "https://example.org/peak-cosine"


def test_it_is_read_filled_in_and_written_back() -> None:
    schedule = parse_schedule("scheduler = PeakCosineLR(optimizer, 0.1)")
    assert (str(schedule), schedule.per) == ("PeakCosineLR(peak_lr=0.1)", "batch")
    filled, values = fill_in(schedule, HORIZON)
    assert (str(filled), values) == ("PeakCosineLR(peak_lr=0.1, total=200)", {"total": 200})
    with pytest.raises(NotationError, match="did you mean warmup"):
        parse_schedule("PeakCosineLR(0.1, warm_up=3)")


def test_it_is_simulated_and_built_by_its_own_class() -> None:
    lrs = simulate(parse_schedule("PeakCosineLR(0.1)"), OPTIMIZER, HORIZON)[:, 0]
    assert lrs[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])
    assert lrs.max() == 0.1
    assert 0 < lrs[-1] < 1e-4
    assert np.all(np.diff(lrs[5:]) <= 0)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    assert type(build(parse_schedule("PeakCosineLR(0.1)"), optimizer, HORIZON)).__name__ == "PeakCosineLR"


def test_it_works_inside_a_composite() -> None:
    schedule = parse_schedule('SequentialLR([ConstantLR(), PeakCosineLR(0.1)], milestones=[50], per="batch")')
    filled, values = fill_in(schedule, HORIZON)
    assert values == {"schedulers[1].total": 150}
    check_buildable(filled, OPTIMIZER, HORIZON)


def test_a_chosen_lr_goes_to_its_peak() -> None:
    placed = place_lr("PeakCosineLR(peak_lr=0.1)", "SGD(lr=0.5)", 0.02)
    assert (placed.schedule, placed.optimizer) == ("PeakCosineLR(peak_lr=0.02)", "SGD(lr=0.5)")
    assert peak_lr(placed.schedule, placed.optimizer) == 0.02


def test_it_is_checked() -> None:
    assert check_schedule(parse_schedule("PeakCosineLR(0.1)"), OPTIMIZER, HORIZON) == []
    findings = check_schedule(parse_schedule("PeakCosineLR(0.1, total=20)"), OPTIMIZER, HORIZON)
    assert [finding.code for finding in findings] == ["dead-tail"]


def test_its_code_imports_its_class() -> None:
    filled, _ = fill_in(parse_schedule("PeakCosineLR(0.1)"), HORIZON)
    timeline = Timeline(first=ScheduleChange(filled, "base"), optimizer=OPTIMIZER, epochs=10, batches_per_epoch=20)
    code = torch_code(timeline)
    # under its own name: the catalogue reserves only the names of PyTorch's classes
    assert f"from {MODULE} import PeakCosineLR\n" in code
    assert lrs_of(code) == simulate(filled, OPTIMIZER, HORIZON).tolist()


def test_its_code_runs_inside_a_sequence() -> None:
    text = 'SequentialLR([ConstantLR(), PeakCosineLR(0.1)], milestones=[50], per="batch")'
    filled, _ = fill_in(parse_schedule(text), HORIZON)
    timeline = Timeline(first=ScheduleChange(filled, "base"), optimizer=OPTIMIZER, epochs=10, batches_per_epoch=20)
    code = torch_code(timeline)
    assert "PeakCosineLR(optimizer, peak_lr=0.1, total=150)" in code
    assert lrs_of(code) == simulate(filled, OPTIMIZER, HORIZON).tolist()


def test_the_picker_offers_it_with_a_peak_that_fits_the_optimizer() -> None:
    model = PickerModel("StepLR(step_size=3)", "SGD(lr=0.5)", HORIZON)
    assert "PeakCosineLR" in [each.name for each in model.entries("warm")]
    model.choose("PeakCosineLR")
    assert model.text == "PeakCosineLR(peak_lr=0.5, warmup=5)"
    assert model.filled_in == "PeakCosineLR(peak_lr=0.5, warmup=5, total=200)"
    assert [field.name for field in model.fields] == ["peak_lr", "warmup", "total", "per"]


def test_a_class_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    elsewhere = dataclasses.replace(catalogue.CATALOGUE["StepLR"], class_path="not_installed.module:StepLR")
    monkeypatch.setitem(catalogue.CATALOGUE, "StepLR", elsewhere)
    with pytest.raises(NotationError, match=r"StepLR needs not_installed\.module, which can't be imported"):
        check_buildable(parse_schedule("StepLR(3)"), OPTIMIZER, HORIZON)


# --- a copy of the repository with one file more ---------------------------------------------------------------------

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's code, with the scheduler of docs/extending.md in the folder of the catalogue."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("lrtui", "tests", "docs", "benchmarks", "examples", "README.md", "Makefile", "pyproject.toml"):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__snapshots__", "contract_store")
            )
        else:
            shutil.copy2(ROOT / name, folder / name)
    (source,) = re.findall(
        r"^```python\n(.*?TrapezoidLR.*?)^```", (ROOT / "docs/extending.md").read_text(), re.M | re.S
    )
    # a name that no scheduler of the catalogue has
    (folder / "lrtui/schedules/catalogue/added_by_test.py").write_text(source.replace("TrapezoidLR", "AddedByTestLR"))
    return folder


def python(copy: Path, *arguments: str) -> str:
    """Run Python on the copy and return what it prints; it must succeed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_tests_pass_with_one_more_file_in_the_catalogue(copy: Path) -> None:
    whole = (
        "test_the_catalogue_has",
        "test_nothing_superfluous",
        "test_schedulers_lists",
        "in_the_readme",
        "the_first_word_is",
    )
    printed = python(
        copy,
        *("-m", "pytest", "-p", "no:cacheprovider", "-m", "not deep"),
        *("-k", " or ".join(("AddedByTestLR", *whole))),
        *("tests/schedules", "tests/training/test_lr_control.py", "tests/tui/screens/test_picker_model.py"),
        *("tests/cli/test_usage_errors.py", "tests/cli/test_completion.py", "tests/test_docs.py"),
    )
    passed = re.search(r"(\d+) passed", printed)
    assert passed, printed
    assert int(passed[1]) > 15, printed


def test_the_benchmark_races_one_more_scheduler(copy: Path) -> None:
    entrants = "import race; print(*race.schedules(3, 10), sep=chr(10))"
    printed = python(copy, "-c", f"import sys; sys.path.insert(0, 'benchmarks'); {entrants}").splitlines()
    assert "AddedByTestLR(warm_up=3) on Adam(lr=0.002)" in printed
    assert {text.partition("(")[0] for text in printed} == {*catalogue.CATALOGUE} - {"PeakCosineLR"} | {"AddedByTestLR"}


def test_the_traps_read_the_entry_of_one_more_scheduler(copy: Path) -> None:
    codes = {
        "AddedByTestLR()": [],
        "AddedByTestLR(warm_up=300)": ["endless-warm-up"],
        "SequentialLR([AddedByTestLR(warm_up=90), StepLR(100)], milestones=[20], per='batch')": ["warm-up-cut-off"],
        "AddedByTestLR(total=1000)": ["cut-short"],
    }
    printed = python(
        copy,
        "-c",
        "import json\n"
        "from lrtui.analysis.checks import check_schedule\n"
        "from lrtui.schedules.notation import parse_optimizer, parse_schedule\n"
        "from lrtui.schedules.horizon import Horizon\n"
        f"for text in {list(codes)}:\n"
        "    found = check_schedule(parse_schedule(text), parse_optimizer('SGD(lr=0.5)'), Horizon(10, 20))\n"
        "    print(json.dumps([[each.code, str(each)] for each in found]))\n",
    )
    found = [json.loads(line) for line in printed.splitlines()]
    assert [[code for code, _ in each] for each in found] == list(codes.values()), printed
