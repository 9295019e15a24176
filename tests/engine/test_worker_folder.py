"""The folder of a worker: removed with it, or by the next worker if it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lrtui.engine import worker_folder as module
from lrtui.engine.worker_folder import worker_folder

OWNER = """
import sys, time
from lrtui.engine.worker_folder import worker_folder
with worker_folder() as path:
    (path / "checkpoint").write_bytes(b"1")
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield
    tempfile.tempdir = None


def test_the_folder_of_a_killed_worker_is_removed_by_the_next_one_and_no_other(tmp_path: Path) -> None:
    owners = [
        subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    paths = []
    for owner in owners:
        assert owner.stdout is not None
        paths.append(Path(owner.stdout.readline().strip()))
    link, file = tmp_path / "lrtui-worker-link", tmp_path / "lrtui-worker-file"
    (tmp_path / "precious").mkdir()
    link.symlink_to(tmp_path / "precious")
    file.write_text("")
    owners[0].kill()
    owners[0].communicate(timeout=60)
    assert paths[0].is_dir()
    with worker_folder() as mine:
        assert not paths[0].exists()
        assert (paths[1] / "checkpoint").exists()
        assert mine.stat().st_mode & 0o777 == 0o700
    assert not mine.exists()
    assert (tmp_path / "precious").is_dir()
    assert (link.is_symlink(), file.exists()) == (True, True)
    owners[1].communicate("", 60)
    assert not paths[1].exists()


def test_a_folder_of_another_user_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lrtui-worker-theirs").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with worker_folder():
        assert (tmp_path / "lrtui-worker-theirs").is_dir()


def test_workers_that_start_at_once_keep_their_folders(tmp_path: Path) -> None:
    start, failures = threading.Barrier(8), list[Path]()

    def work() -> None:
        start.wait(60)
        for _ in range(50):
            with ExitStack() as stack:
                paths = [stack.enter_context(worker_folder()) for _ in range(2)]
                failures.extend(path for path in paths if not path.is_dir())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failures == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_gets_a_folder_where_none_can_be_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path) -> int:
        raise OSError("not supported")

    monkeypatch.setattr(module, "_locked", fail)
    with worker_folder() as path:
        assert path.is_dir()
    assert list(tmp_path.iterdir()) == []
