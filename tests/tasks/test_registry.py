from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lrtui.run.errors import TaskError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.tasks.fashion_mnist import FashionMnist
from lrtui.tasks.registry import expected_batches_per_epoch, find_task

TASK = """\
class Mine:
    name = "mine"
    def model(self): ...
    def training_data(self): ...
    def test_data(self): ...
    def loss(self, outputs, targets): ...
"""


@pytest.fixture(autouse=True)
def modules_and_path_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "mine" in name:
            del sys.modules[name]


def _file(folder: Path, text: str, name: str = "mine.py") -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)


def test_the_case_study_is_found_by_its_name() -> None:
    assert isinstance(find_task("fashion-mnist"), FashionMnist)


def test_a_class_in_a_file_is_made_an_object(tmp_path: Path) -> None:
    assert find_task(f"{_file(tmp_path, TASK)}:Mine").name == "mine"


def test_an_object_in_a_file_is_taken_as_it_is(tmp_path: Path) -> None:
    assert find_task(f"{_file(tmp_path, TASK + 'made = Mine()')}:made").name == "mine"


def test_a_module_in_the_working_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, TASK, "mine_module.py")
    monkeypatch.chdir(tmp_path)
    assert find_task("mine_module:Mine").name == "mine"


def test_a_task_may_be_a_dataclass(tmp_path: Path) -> None:
    # dataclasses look their module up by its name
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\n"
    fields = "    width: int = 3\n"
    assert find_task(f"{_file(tmp_path, head + TASK + fields)}:Mine").name == "mine"


def test_files_of_one_name_in_two_folders_are_two_tasks(tmp_path: Path) -> None:
    first = find_task(f"{_file(tmp_path / 'a', TASK)}:Mine")
    other = _file(tmp_path / "b", TASK.replace('"mine"', '"other"'))
    second = find_task(f"{other}:Mine")
    assert (first.name, second.name) == ("mine", "other")
    assert sys.modules[type(first).__module__] is not sys.modules[type(second).__module__]


def test_a_file_that_was_changed_is_read_again(tmp_path: Path) -> None:
    words = f"{_file(tmp_path, TASK)}:Mine"
    find_task(words)
    _file(tmp_path, TASK.replace('"mine"', '"changed"'))
    assert find_task(words).name == "changed"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mnist", "unknown task 'mnist'; available: "),
        ("", "unknown task ''"),
        ("nothing_here.py:Mine", "there is no file nothing_here.py"),
        ("no_such_package.tasks:Mine", "no_such_package.tasks can't be imported"),
        (":Mine", "package.module:Name"),
        ("lrtui.tasks.task:", "package.module:Name"),
        (".relative:Mine", "package.module:Name"),
        ("not a module:Mine", "package.module:Name"),
        ("lrtui.tasks.task:Nothing", "has no Nothing"),
        ("script:train.py", "train.py is a script whose runs are recorded, not a task"),
        ("script:notebook", "only the script can train its model"),
        ("log-file:runs/a:b", "runs/a:b is a log of runs, not a task"),
    ],
)
def test_an_unknown_task_is_refused_with_a_message(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_task(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("class Mine(", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Mine:\n    def __init__(self): raise ValueError('not today')", "ValueError: not today"),
        (
            "class Mine:\n    def model(self): ...",
            r"it has no training_data\(\) \(.*mine.py, line 1\).*or step\(model, batch\)",
        ),
    ],
)
def test_a_mistake_in_the_task_is_reported_with_its_file(tmp_path: Path, text: str, message: str) -> None:
    place = _file(tmp_path, text)
    with pytest.raises(TaskError, match=message) as caught:
        find_task(f"{place}:Mine")
    assert place in str(caught.value)


def test_a_file_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(TaskError):
        find_task(f"{_file(tmp_path, '1 / 0')}:Mine")
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, 938),
        ({"batch_size": 60_000}, 1),
        ({"train_samples": 65}, 2),
        ({"train_samples": 64}, 1),
        ({"train_samples": 90_000}, 938),
        ({"task": "mine.py:Mine", "train_samples": 100, "batch_size": 30}, 4),
        ({"task": "mine.py:Mine"}, None),
    ],
)
def test_the_batches_per_epoch_are_known_before_the_data_is_loaded(
    settings: dict[str, object], batches: int | None
) -> None:
    assert expected_batches_per_epoch(RunSpec(**settings)) == batches  # type: ignore[arg-type]


def test_what_a_file_draws_does_not_depend_on_what_the_process_did_before(tmp_path: Path) -> None:
    draws = "[random.random(), float(numpy.random.rand()), float(torch.rand(()))]"
    text = f"import random, numpy, torch\n{TASK}    def __init__(self): self.more = {draws}\n    drawn = {draws}\n"
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        before = torch.get_rng_state(), random.getstate()
        task: Any = find_task(f"{_file(tmp_path / str(seed), text)}:Mine")
        found.append((task.drawn, task.more))
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
    assert found[0] == found[1]
