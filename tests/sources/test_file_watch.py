"""Watching of files for changes."""

from __future__ import annotations

import queue
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from memory_log import MemoryFormat

from lrtui.sources.file_watch import FileWatch, reports_changes
from lrtui.sources.source import open_logs

Mount = namedtuple("Mount", "mountpoint fstype")


def test_changes_of_files_are_told_at_once(tmp_path: Path) -> None:
    changes: queue.Queue[bool] = queue.Queue()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "log.txt").write_text("")
    file_watch = FileWatch(changes.put)
    try:
        file_watch.watch([tmp_path, tmp_path / "a"])
        # the thread has begun to watch when it sees something
        for number in range(500):
            (tmp_path / f"new{number}").write_text("")
            try:
                assert changes.get(timeout=0.2)
                break
            except queue.Empty:
                continue
        else:
            raise AssertionError("nothing was seen")
        with (tmp_path / "a" / "log.txt").open("a") as file:
            file.write("more")
            file.flush()
            while changes.get(timeout=60.0):
                pass
    finally:
        file_watch.close()


def test_network_file_systems_are_not_relied_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tmp_path.resolve()
    mounts = [Mount("/", "ext4"), Mount(str(real / "nfs"), "nfs4"), Mount(str(real / "nfs" / "local"), "xfs")]
    mounts += [Mount(str(real / "home"), "fuse.sshfs"), Mount(str(real / "share"), "cifs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    kinds = {name: reports_changes(tmp_path / name) for name in ("x", "nfs", "nfs/y", "nfs/local/y", "home", "share/z")}
    assert kinds == {"x": True, "nfs": False, "nfs/y": False, "nfs/local/y": True, "home": False, "share/z": False}
    assert reports_changes(tmp_path / "nfs2")


def test_a_source_tells_that_there_is_more_to_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.sources.source.BUDGET", 0.0)
    memory, calls = MemoryFormat(), []
    log = memory.create(tmp_path / "one.mem")
    log.most = 1
    for step in range(3):
        log.add("loss", [step], [1.0])
    (source,) = open_logs([tmp_path], formats=[memory])
    source._reports_changes, source._file_watch = False, FileWatch(calls.append)
    source.watch(lambda: calls.append("more"))
    while not source.is_read:
        source.runs()
    assert len(calls) >= 2
    assert set(calls) == {"more"}
    told = len(calls)
    source.runs()
    assert len(calls) == told
    source.close()
