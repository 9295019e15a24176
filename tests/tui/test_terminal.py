"""The cockpit in a real pseudo-terminal: it restores the terminal however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from terminal import LEAVES_ALTERNATE_SCREEN, SHOWS_CURSOR, STOPS_MOUSE, ForkedCockpit, Terminal
from training_runs import TINY
from waiting import wait_for

from lrtui.engine.resume import interrupted_run
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import StoredRun, find_run

TRAINING = ["StepLR(1)", "--task", TINY, "--batch-size", "16", "--epochs", "20000", "--log-interval", "1"]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_during_a_run_restores_the_terminal(number: signal.Signals, status: int) -> None:
    terminal = ForkedCockpit(*TRAINING)
    terminal.read_until(b"Train Epoch")
    os.kill(terminal.pid, number)
    assert terminal.wait_gone() == status
    assert terminal.written.rindex(LEAVES_ALTERNATE_SCREEN) > terminal.written.rindex(b"Train Epoch")
    assert SHOWS_CURSOR in terminal.written
    assert all(sequence in terminal.written for sequence in STOPS_MOUSE)
    # echo, line editing and all other modes are unchanged
    assert terminal.modes == terminal.modes_before


def test_quitting_during_a_run_restores_the_terminal_and_ends_the_process() -> None:
    terminal = ForkedCockpit(*TRAINING)
    terminal.read_until(b"Train Epoch")
    terminal.press("q")
    terminal.read_until(b"Stop it and quit?")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.written


def wait_for_run(store: Path, condition: Callable[[StoredRun], bool]) -> StoredRun:
    """Wait until run 1 of a store meets a condition, and return it."""
    with closing(open_for_reading(store)) as connection:
        wait_for(lambda: condition(find_run(connection, "1")), lambda: find_run(connection, "1"))
        return find_run(connection, "1")


def test_a_run_continues_without_the_screen(tmp_path: Path) -> None:
    slow = TINY.replace(":Tiny", ":Slow")
    arguments = ["--task", slow, "--batch-size", "16", "--epochs", "480", "--store", str(tmp_path / "store")]
    terminal = ForkedCockpit("StepLR(1)", *arguments, "--log-interval", "1")
    terminal.read_until(b"Train Epoch")
    terminal.press("q")
    terminal.read_until(b"continue it in the background")
    terminal.press("g")
    assert terminal.wait_gone() == 0
    assert terminal.written.rindex(b"run 1 continues in process") > terminal.written.rindex(LEAVES_ALTERNATE_SCREEN)
    run = wait_for_run(tmp_path / "store", lambda run: run.state == "done")
    assert run.step == 2880
    assert run.process.pid != terminal.pid


@pytest.mark.parametrize(
    "hang_up", [lambda terminal: os.kill(terminal.pid, signal.SIGHUP), Terminal.hang_up], ids=["signal", "closed"]
)
def test_a_run_whose_terminal_hung_up_is_offered_at_the_next_start(
    tmp_path: Path, hang_up: Callable[[Terminal], None]
) -> None:
    slow = TINY.replace(":Tiny", ":Slow")
    arguments = ["--task", slow, "--batch-size", "16", "--epochs", "1000", "--store", str(tmp_path / "store")]
    terminal = ForkedCockpit("StepLR(1)", *arguments, "--log-interval", "1")
    terminal.read_until(b"Train Epoch")
    hang_up(terminal)
    assert terminal.wait_gone() == 129
    terminal = ForkedCockpit("--store", str(tmp_path / "store"))
    terminal.read_until(b"resume it here")
    terminal.press("\r")
    # its earlier events are on screen immediately
    wait_for_run(tmp_path / "store", lambda run: run.state == "running" and run.process.pid == terminal.pid)
    terminal.press("q")
    terminal.read_until(b"continue with lrtui resume 1")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    # now stopped by the user
    assert interrupted_run(tmp_path / "store") is None


def test_quitting_while_torch_is_imported_ends_the_process() -> None:
    terminal = Terminal()
    terminal.read_until(b"help")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.written
