"""The cockpit at 80x24 on a terminal that takes 2 kB per second; a pseudo-terminal buffers nine seconds of output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from terminal import COCKPIT, LEAVES_ALTERNATE_SCREEN, ForkedCockpit, Terminal
from test_terminal import wait_for_run
from training_runs import TINY
from waiting import SECONDS

RATE = 2048.0
SLOW = ("StepLR(1)", "--task", TINY.replace(":Tiny", ":Slow"), "--batch-size", "1", "--epochs", "10000")
QUICK = ("StepLR(1)", "--task", f"{Path(__file__).parents[1] / 'quick_task.py'}:Quick", "--batch-size", "1")
TICKS = os.sysconf("SC_CLK_TCK")


def test_quitting_on_a_slow_terminal() -> None:
    terminal = ForkedCockpit(*SLOW, "--log-interval", "1", size=(80, 24), rate=RATE)
    terminal.read_until(b"help")
    terminal.read(1.0)
    terminal.press("q")
    # first the buffered output: the first screen, and the messages at startup
    terminal.read_until(b"Stop it and quit?")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.written
    assert terminal.modes == terminal.modes_before


def test_a_full_screen_log_with_many_lines_a_second_keeps_to_the_budget() -> None:
    terminal = ForkedCockpit(*QUICK, "--epochs", "10000", "--log-interval", "1", "--store", "none", size=(80, 24))
    try:
        terminal.read_until(b"epoch 1/10000")
        terminal.press("4")
        terminal.press("\r")
        terminal.read_until(b"following")
        terminal.read(2.0)
        terminal.forget()
        began = time.monotonic()
        terminal.read(6.0)
        # later on a busy machine
        assert terminal.read(SECONDS, lambda: len(terminal.written) > 6 * 1_000)
        assert len(terminal.written) < (time.monotonic() - began) * 12_000
    finally:
        terminal.kill()


def shown_epoch(terminal: Terminal) -> int:
    return int(re.findall(rb"epoch (\d+)/10000", terminal.written)[-1])


@pytest.mark.deep
def test_a_slow_terminal_keeps_up_and_catches_up(tmp_path: Path) -> None:
    terminal = Terminal(*SLOW, "--store", str(tmp_path), size=(80, 24), rate=RATE)
    terminal.read_until(b"epoch 1/10000")
    # the rate is known once a write has waited
    terminal.read(25.0)
    run = wait_for_run(tmp_path, lambda _: True)
    epochs_a_second = run.step / 96 / run.seconds
    behind = (run.step / 96 + 1 - shown_epoch(terminal)) / epochs_a_second
    terminal.forget()
    pressed = time.monotonic()
    terminal.press("z")
    terminal.read_until(b"smoothed over 500")
    answered = time.monotonic() - pressed
    print(f"the screen is {behind:.1f} s behind, a key is answered after {answered:.1f} s")
    assert behind < 5.0
    assert answered < 5.0
    # fast again: the screen is up to date
    terminal.set_rate(None)
    terminal.read(3.0)
    run = wait_for_run(tmp_path, lambda _: True)
    assert abs(run.step / 96 + 1 - shown_epoch(terminal)) < 2 + 1.5 * epochs_a_second
    os.kill(terminal.pid, signal.SIGTERM)
    assert terminal.wait_gone(10) == 143


def busy_seconds(pid: int) -> dict[str, float]:
    """Return the CPU seconds of each thread of the process except the main one."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            found[task.name] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


@pytest.mark.deep
def test_training_does_not_wait_for_a_slow_terminal() -> None:
    arguments = (*QUICK, "--epochs", "10000", "--log-interval", "1000", "--device", "cpu")
    terminal = Terminal(*arguments, size=(80, 24), rate=RATE)
    # at the same time, so that other load on the machine slows both
    headless = subprocess.Popen([*COCKPIT, "train", *arguments, "--quiet"], stdout=subprocess.DEVNULL)
    try:
        terminal.read_until(b"epoch 1/10000")
        terminal.read(10.0)
        before = {pid: busy_seconds(pid) for pid in (terminal.pid, headless.pid)}
        terminal.read(20.0)
        # the busiest thread of each process is the one that trains
        slow, alone = (
            max(seconds - before[pid].get(thread, 0.0) for thread, seconds in busy_seconds(pid).items())
            for pid in (terminal.pid, headless.pid)
        )
    finally:
        headless.kill()
        headless.wait()
        terminal.kill()
    print(f"in 20 s the training thread ran {slow:.1f} s, headless {alone:.1f} s")
    # the steps of this task are almost only Python code, so the screen slows them most; both processes share two cores
    assert slow > 0.6 * alone
