"""The search for logs in folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from memory_log import MemoryFormat

from lrtui.sources import folders
from lrtui.sources.folders import LogFinder
from lrtui.sources.log import FoundLog


def found(path: Path, *formats: MemoryFormat) -> LogFinder:
    finder = LogFinder(path, formats or [MemoryFormat()])
    assert finder.search(float("inf"))
    return finder


def logs(path: Path) -> list[str]:
    return [str(log.relative_to(path)) for log in found(path).places]


def create(path: Path, *names: str) -> None:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("")


def test_logs_are_found_in_all_folders_that_are_not_hidden(tmp_path: Path) -> None:
    create(tmp_path, "b/x.mem", "a.mem", "b/c/y.mem", "b/notes.txt", ".git/z.mem", "node_modules/z.mem", "venv/z.mem")
    create(tmp_path, "lib/site-packages/z.mem", "__pycache__/z.mem")
    assert logs(tmp_path) == ["a.mem", "b/x.mem", "b/c/y.mem"]


def test_links_lead_to_each_folder_and_file_once(tmp_path: Path) -> None:
    create(tmp_path, "runs/one/x.mem", "elsewhere/y.mem")
    os.symlink(tmp_path / "runs" / "one", tmp_path / "runs" / "latest")
    os.symlink(tmp_path / "runs", tmp_path / "runs" / "one" / "loop")
    os.symlink(tmp_path / "elsewhere", tmp_path / "runs" / "other")
    os.symlink(tmp_path / "runs" / "one" / "x.mem", tmp_path / "runs" / "newest.mem")
    os.symlink(tmp_path / "nowhere.mem", tmp_path / "runs" / "broken.mem")
    os.symlink(tmp_path / "elsewhere" / "y.mem", tmp_path / "runs" / "a.mem")
    assert sorted(logs(tmp_path / "runs")) == ["a.mem", "one/x.mem", "other/y.mem"]


@pytest.mark.skipif(os.getuid() == 0, reason="root can read every folder")
def test_a_folder_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    create(tmp_path, "closed/x.mem", "open/y.mem")
    (tmp_path / "closed").chmod(0)
    try:
        finder = found(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert [path.name for path in finder.places] == ["y.mem"]
    assert finder.trouble == (f"{tmp_path / 'closed'} can't be read: Permission denied",)


def test_the_folders_of_a_log_that_owns_them_are_not_searched(tmp_path: Path) -> None:
    create(tmp_path, "run/x.mem", "run/files/y.mem", "other/z.mem")
    own = MemoryFormat()
    own.find = lambda folder, names: [FoundLog("own", folder, owns_folders=True)] * (folder.name == "run")  # type: ignore[method-assign]
    assert sorted(found(tmp_path, own, MemoryFormat()).places) == [
        tmp_path / "other" / "z.mem",
        tmp_path / "run",
        tmp_path / "run" / "x.mem",
    ]


def test_the_number_of_folders_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FOLDERS", 3)
    create(tmp_path, *(f"{number}/x.mem" for number in range(5)))
    finder = found(tmp_path)
    assert len(finder.places) == 2
    assert finder.trouble == (f"{tmp_path}: only the first 3 folders are searched",)


def test_a_search_can_be_continued(tmp_path: Path) -> None:
    create(tmp_path, *(f"{number}/x.mem" for number in range(5)))
    finder = LogFinder(tmp_path, [MemoryFormat()])
    calls = 1
    while not finder.search(0.0):
        assert finder.places == {}
        calls += 1
    assert calls > 5
    assert len(finder.places) == 5


def test_the_first_format_that_knows_a_path_gets_it(tmp_path: Path) -> None:
    create(tmp_path, "x.mem")
    first, second = MemoryFormat(), MemoryFormat()
    (place,) = found(tmp_path, first, second).places.values()
    assert place.format is first


def test_an_error_of_a_format_is_told(tmp_path: Path) -> None:
    class Broken(MemoryFormat):
        name = "broken"

        def find(self, folder: Path, names: object) -> list[object]:  # type: ignore[override]
            raise ValueError("no such thing")

    create(tmp_path, "x.mem")
    finder = found(tmp_path, Broken(), MemoryFormat())
    assert len(finder.places) == 1
    assert finder.trouble == (f"{tmp_path}: broken: ValueError: no such thing",)


def test_a_link_into_a_folder_that_can_not_be_read_does_not_end_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path, "x.mem")
    os.symlink("/closed/data", tmp_path / "data")
    look, follow = os.stat, os.readlink

    def refused(path: str | Path, *args: object, **kwargs: bool) -> object:
        if str(path) == str(tmp_path / "data") and kwargs.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied")
        return look(path, *args, **kwargs)

    def unreadable(path: str | Path, **kwargs: object) -> str:
        if str(path) == str(tmp_path / "data"):
            raise PermissionError(13, "Permission denied")
        return follow(path)

    monkeypatch.setattr(os, "stat", refused)
    assert logs(tmp_path) == ["x.mem"]
    # as in /proc
    monkeypatch.setattr(os, "readlink", unreadable)
    assert logs(tmp_path) == ["x.mem"]


def test_folders_of_the_system_are_searched_only_if_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(tmp_path, "proc/x.mem", "y.mem")
    monkeypatch.setattr(folders, "SYSTEM_FOLDERS", {tmp_path / "proc"})
    assert logs(tmp_path) == ["y.mem"]
    assert logs(tmp_path / "proc") == ["x.mem"]
