"""Failures of the store during `lrtui train`: training continues, and the user is warned once."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_process import SLOW, OtherProcess, rows, steps_done, wait_for_step
from training_runs import TINY
from waiting import wait_for

from lrtui.__main__ import main

TRAIN = ["train", "StepLR(1)", "--task", SLOW, "--batch-size", "16", "--epochs", "60", "--quiet"]

WAITING = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from tiny_task import Tiny
class Waiting(Tiny):
    steps = 0
    def loss(self, outputs, targets):
        self.steps += outputs.requires_grad
        for step in (30, 200):
            until = time.monotonic() + 600
            while self.steps > step and not Path({folder!r}, f"after_{{step}}").exists():
                assert time.monotonic() < until
                time.sleep(0.01)
        return super().loss(outputs, targets)
"""
"""A task whose training waits at steps 30 and 200 until a file exists: no test depends on how fast the machine is."""


def train_to_step_30(folder: Path, store: Path, *arguments: str) -> OtherProcess:
    """Start a run that waits at step 30 for `continue_training`; return when 20 steps or more are stored."""
    task = folder / "waiting.py"
    task.write_text(WAITING.format(tests=str(Path(TINY).parent), folder=str(folder)))
    process = OtherProcess([*TRAIN, "--task", f"{task}:Waiting", "--store", str(store), *arguments], folder / "printed")
    wait_for_step(store, 20, process)
    return process


def continue_training(folder: Path, *after: int) -> None:
    """Let the run continue after these steps; by default to its end."""
    for step in after or (30, 200):
        (folder / f"after_{step}").touch()


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate file system of 600 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=600k,mode=700", "tmpfs", str(disk)):
        pytest.skip("only root can make a disk; tests/store/test_writer.py fills a database instead")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(disk: Path) -> None:
    """Fill the disk."""
    with open(disk / "ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC


def told(process: OtherProcess, words: str) -> list[str]:
    return [line for line in process.printed.splitlines() if words in line]


def test_a_full_disk_is_reported_once_and_training_continues(small_disk: Path, tmp_path: Path) -> None:
    store = small_disk / "store"
    process = train_to_step_30(tmp_path, store, "--checkpoint-seconds", "1000")
    fill(small_disk)
    continue_training(tmp_path)
    assert process.wait() == 0, process.printed
    assert len(told(process, "the disk is full")) == 1
    assert len(told(process, "no checkpoint can be written")) <= 1
    assert "Accuracy" in process.printed
    assert told(process, "could not be written")
    # what was committed stays readable
    steps = [step for (step,) in rows(store, "SELECT step FROM batches ORDER BY seq")]
    assert steps == list(range(len(steps)))
    assert len(steps) >= 20
    assert rows(store, "PRAGMA integrity_check") == [("ok",)]


def test_everything_is_written_once_the_disk_has_room_again(small_disk: Path, tmp_path: Path) -> None:
    store = small_disk / "store"
    process = train_to_step_30(tmp_path, store, "--checkpoint-seconds", "1000")
    fill(small_disk)
    continue_training(tmp_path, 30)
    wait_for(lambda: told(process, "the disk is full") or not process.is_alive)
    assert process.is_alive, process.printed
    (small_disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    # the store is tried again every two seconds
    wait_for_step(store, 150, process)
    continue_training(tmp_path, 200)
    assert process.wait() == 0, process.printed
    steps = [step for (step,) in rows(store, "SELECT step FROM batches ORDER BY seq")]
    assert steps == list(range(360))
    assert not told(process, "could not be written")


def test_a_read_only_folder_is_reported_once(small_disk: Path, tmp_path: Path) -> None:
    store = small_disk / "store"
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    process = OtherProcess([*TRAIN, "--epochs", "2", "--store", str(store)], tmp_path / "printed")
    assert process.wait() == 0
    (line,) = told(process, "this run is not recorded")
    assert "Read-only file system" in line


def test_a_database_deleted_during_a_run_is_reported_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = train_to_step_30(tmp_path, store)
    for path in store.glob("runs.db*"):
        path.unlink()
    continue_training(tmp_path)
    assert process.wait() == 0, process.printed
    assert len(told(process, "was deleted or replaced")) == 1
    assert "Accuracy" in process.printed


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no database at all, but a text that is long enough to be taken for one" * 50, "not an SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 8000, "damaged"),
    ],
    ids=["foreign", "corrupt"],
)
def test_a_file_that_is_not_a_store_is_reported_and_unchanged(content: bytes, words: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    (store / "runs.db").write_bytes(content)
    process = OtherProcess([*TRAIN, "--epochs", "2", "--store", str(store)], tmp_path / "printed")
    assert process.wait() == 0
    (line,) = told(process, "this run is not recorded")
    assert words in line
    # readers are refused, and the file is unchanged
    assert main(["runs", "list", "--store", str(store)]) == 1
    assert (store / "runs.db").read_bytes() == content


def test_a_live_run_is_shown_as_lost_within_ten_seconds_of_its_death(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    process = OtherProcess([*TRAIN, "--epochs", "1000", "--store", str(store)], tmp_path / "printed")
    wait_for_step(store, 10, process)
    assert main(["runs", "list", "--store", str(store)]) == 0
    assert "● running" in capsys.readouterr().out
    process.signal(9)
    process.wait()
    assert main(["runs", "list", "--store", str(store)]) == 0
    assert "? lost" in capsys.readouterr().out


def test_commands_from_another_terminal_are_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A headless run in one process, and `lrtui send` in another."""
    store = tmp_path / "store"
    process = OtherProcess([*TRAIN, "--epochs", "1000", "--store", str(store)], tmp_path / "printed")
    wait_for_step(store, 10, process)

    def send(*words: str) -> tuple[int, str]:
        status = main(["send", "last", *words, "--store", str(store)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    # one command from a process of its own; the others are sent from this one, which is another than the run's too
    done = subprocess.run(
        [sys.executable, "-m", "lrtui", "send", "last", "lr*1.5"],
        env={**os.environ, "LRTUI_STORE": str(store)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (done.returncode, "(user)" in done.stdout) == (0, True), done.stdout + done.stderr

    for words, status, answer in [
        (["pause"], 0, "paused"),
        (["pause"], 1, "already paused"),
        (["lr*2"], 0, "(user)"),
        (["switch", "CosineAnnealingLR()", "from", "current"], 0, "switched to CosineAnnealingLR(T_max="),
        (["undo"], 1, "nothing to undo"),
        (["lr", "0.05"], 0, "0.05"),
        (["checkpoint"], 0, "checkpoint saved (command)"),
        (["resume"], 0, "resumed"),
        (["pause"], 0, "paused"),
        (["nonsense"], 2, "unknown command"),
    ]:
        code, printed = send(*words)
        assert (code, answer in printed) == (status, True), (words, printed)
    # the pause may have arrived during an epoch's test, within which no other test can start
    for _ in range(10):
        code, printed = send("evaluate")
        if "a test is running already" not in printed:
            break
        assert send("resume")[0] == 0
        # out of that test
        wait_for_step(store, steps_done(store) + 1, process)
        assert send("pause")[0] == 0
    assert code == 0, printed
    code, printed = send("stop")
    assert (code, "stopped" in printed) == (0, True), printed
    assert process.wait() == 0
    code, printed = send("pause")
    assert code == 1
    assert "stopped" in printed
