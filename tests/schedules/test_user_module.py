"""Users' files are imported as Python itself would."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lrtui.schedules.user_module import load_user_file


@pytest.fixture(autouse=True)
def imports_as_before() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_modules_in_the_folder_of_the_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "a_net_beside_it.py").write_text("NUMBER = 7\n")
    (tmp_path / "a_task_of_mine.py").write_text("from a_net_beside_it import NUMBER\n")
    assert load_user_file(tmp_path / "a_task_of_mine.py").NUMBER == 7


def test_a_module_has_the_name_of_its_file_if_that_is_free(tmp_path: Path) -> None:
    # worker processes of a data loader import it by that name
    (tmp_path / "a_task_of_mine.py").write_text("")
    assert load_user_file(tmp_path / "a_task_of_mine.py").__name__ == "a_task_of_mine"


def test_a_module_does_not_replace_another_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("MINE = True\n")
    import json

    module = load_user_file(tmp_path / "json.py")
    assert module.MINE
    assert sys.modules["json"] is json is not module


def test_two_files_of_the_same_name_are_two_modules(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_task_of_mine.py").write_text(f"WHICH = {folder!r}\n")
    assert [load_user_file(tmp_path / folder / "a_task_of_mine.py").WHICH for folder in ("one", "two", "one")] == [
        "one",
        "two",
        "one",
    ]


def test_a_file_is_executed_once_until_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "a_task_of_mine.py"
    file.write_text("VALUE = []\n")
    first = load_user_file(file)
    assert load_user_file(file) is first
    file.write_text("VALUE = [1]\n")
    os.utime(file, ns=(1, 1))
    assert load_user_file(file).VALUE == [1]


def test_a_file_that_fails_leaves_no_module(tmp_path: Path) -> None:
    file = tmp_path / "a_task_of_mine.py"
    file.write_text("raise SystemExit('no')\n")
    with pytest.raises(SystemExit):
        load_user_file(file)
    assert "a_task_of_mine" not in sys.modules
