"""The user's own files are imported as Python itself would."""

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


def test_what_lies_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "a_net_beside_it.py").write_text("NUMBER = 7\n")
    (tmp_path / "a_task_of_mine.py").write_text("from a_net_beside_it import NUMBER\n")
    assert load_user_file(tmp_path / "a_task_of_mine.py").NUMBER == 7


def test_it_has_its_own_name_where_that_is_free(tmp_path: Path) -> None:
    # by which a data loader's process, started anew, finds it
    (tmp_path / "a_task_of_mine.py").write_text("")
    assert load_user_file(tmp_path / "a_task_of_mine.py").__name__ == "a_task_of_mine"


def test_it_takes_nobody_elses_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("MINE = True\n")
    import json

    module = load_user_file(tmp_path / "json.py")
    assert module.MINE
    assert sys.modules["json"] is json is not module


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a_task_of_mine.py").write_text(f"WHICH = {folder!r}\n")
    assert [load_user_file(tmp_path / folder / "a_task_of_mine.py").WHICH for folder in ("one", "two", "one")] == [
        "one",
        "two",
        "one",
    ]


def test_it_is_run_once_until_it_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "a_task_of_mine.py"
    file.write_text("VALUE = []\n")
    first = load_user_file(file)
    assert load_user_file(file) is first
    file.write_text("VALUE = [1]\n")
    os.utime(file, ns=(1, 1))
    assert load_user_file(file).VALUE == [1]


def test_a_file_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    file = tmp_path / "a_task_of_mine.py"
    file.write_text("raise SystemExit('no')\n")
    with pytest.raises(SystemExit):
        load_user_file(file)
    assert "a_task_of_mine" not in sys.modules
