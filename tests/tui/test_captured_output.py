"""Output of other code while the cockpit is on screen: it goes to the log, and nothing of it to the screen."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from terminal import LEAVES_ALTERNATE_SCREEN, ForkedCockpit, Terminal
from training_runs import TINY
from waiting import SECONDS, wait_for

from lrtui.engine.session import Session
from lrtui.tui.captured_output import FREED_BYTES, MAX_READ, CapturedOutput

NOISY = TINY.replace("tiny_task.py:Tiny", "noisy_task.py:NoisyTask")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def captured(clock: Callable[[], float] = time.monotonic) -> Iterator[CapturedOutput]:
    """Capture this process's descriptors, which are a terminal in the block."""
    saved = [os.dup(1), os.dup(2)]
    master, slave = os.openpty()
    output = CapturedOutput(clock)
    try:
        os.dup2(slave, 1)
        os.dup2(slave, 2)
        output.start()
        yield output
    finally:
        output.stop()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (*saved, master, slave):
            os.close(descriptor)


def test_lines_of_both_descriptors_come_in_their_order() -> None:
    with captured() as output:
        os.write(1, b"one\n\ntwo\n")
        os.write(2, b"three\n")
        assert output.take() == ["one", "two", "three"]
        assert output.take() == []


def test_a_progress_bar_is_one_line_in_its_last_state() -> None:
    clock = Clock()
    with captured(clock) as output:
        os.write(2, b"\r 10%|#\r 20%|##")
        assert output.take() == []
        clock.now = 5.0
        assert output.take() == []
        os.write(2, b"\r100%|##########\r\n")
        assert output.take() == ["100%|##########"]


def test_a_line_without_an_end_comes_when_it_has_stopped_growing() -> None:
    clock = Clock()
    with captured(clock) as output:
        os.write(1, b"Name: ")
        assert output.take() == []
        clock.now = 2.0
        assert output.take() == ["Name:"]
        os.write(1, b"rest")
        assert output.take(is_final=True) == ["rest"]


def test_colours_are_left_out_and_other_control_characters_are_escaped() -> None:
    with captured() as output:
        os.write(1, b"\x1b[31mred\x1b[0m\x1b]0;title\x07 \x01 \xff\n")
        assert output.take() == ["red \\x01 \N{REPLACEMENT CHARACTER}"]


def test_a_flood_is_cut_and_its_memory_is_freed() -> None:
    with captured() as output:
        line = b"x" * 63 + b"\n"
        for _ in range(4 * FREED_BYTES // len(line)):
            os.write(1, line)
        first, *rest = output.take()
        assert first == f"{4 * FREED_BYTES - MAX_READ:,} bytes of output left out"
        assert len(rest) == MAX_READ // len(line)
        assert os.fstat(1).st_blocks * 512 < FREED_BYTES


def test_a_shell_that_opens_the_descriptor_again_does_not_hide_later_lines() -> None:
    with captured() as output:
        os.write(2, b"first\n")
        assert output.take() == ["first"]
        os.system("echo two > /dev/stderr")
        assert output.take() == ["two"]


def test_a_redirected_descriptor_is_left_alone(tmp_path: Path) -> None:
    saved = os.dup(1)
    try:
        with (tmp_path / "out").open("wb") as file:
            os.dup2(file.fileno(), 1)
            captured = CapturedOutput()
            captured.start()
            os.write(1, b"data\n")
            captured.stop()
    finally:
        os.dup2(saved, 1)
        os.close(saved)
    assert (tmp_path / "out").read_bytes() == b"data\n"


def test_what_is_written_to_a_closed_terminal_is_discarded() -> None:
    master, slave = os.openpty()
    with open(slave, "w") as terminal, CapturedOutput().terminal_file(terminal) as file:
        file.write("before\n")
        file.flush()
        os.close(master)
        # an error would end the thread that writes, and the cockpit would wait for it forever
        for _ in range(100):
            file.write("after\n")
            file.flush()


def test_lines_before_the_first_run_are_kept_for_its_log() -> None:
    session = Session(lambda: ["early"])
    assert not session.poll()
    assert list(session.unlogged) == ["early"]


def test_output_of_the_process_and_its_workers_goes_to_the_log() -> None:
    terminal = ForkedCockpit(
        "StepLR(1)", "--task", NOISY, "--store", "none", "--epochs", "2000", "--log-interval", "1000"
    )
    for text in (b"from a worker", b"to descriptor 1", b"to descriptor 2", b"from Python"):
        terminal.read_until(text)
    terminal.press("q")
    terminal.read_until(b"Stop it and quit?")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    shown = terminal.written[: terminal.written.rindex(LEAVES_ALTERNATE_SCREEN)]
    # the terminal would have turned the line end into these bytes
    assert not any(text + b"\r\n" in shown for text in (b"from a worker", b"to descriptor 1", b"to descriptor 2"))
    assert b"20 %" not in shown
    assert terminal.modes == terminal.modes_before


def test_a_child_that_outlives_the_cockpit_can_still_write(tmp_path: Path) -> None:
    late = tmp_path / "late"
    task = NOISY.replace("NoisyTask", "LeavesAProcess")
    terminal = ForkedCockpit("StepLR(1)", "--task", task, "--store", "none", environment={"LATE_FILE": str(late)})
    terminal.read_until(b"done")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    wait_for(late.exists)


def test_a_traceback_of_the_cockpit_is_seen_after_the_output_before_it() -> None:
    code = (
        "import os, sys; from lrtui.tui.screens.cockpit import CockpitScreen\n"
        "def fail(self): os.write(2, b'before it\\n'); raise ValueError('broken')\n"
        "CockpitScreen._tick = fail\n"
        "from lrtui.__main__ import main; sys.exit(main(['--store', 'none']))"
    )
    terminal = Terminal("-c", code, program=(sys.executable,))
    assert terminal.wait_gone() == 1
    after = terminal.written[terminal.written.rindex(LEAVES_ALTERNATE_SCREEN) :]
    assert b"broken" in after
    assert b"before it" in after


@pytest.mark.parametrize("task", ["Aborts", "NoisyTask", "Talks"])
def test_a_process_that_is_killed_leaves_a_usable_terminal_with_its_last_output(task: str) -> None:
    arguments = ("StepLR(1)", "--task", NOISY.replace("NoisyTask", task), "--store", "none", "--epochs", "2000")
    terminal = ForkedCockpit(*arguments)
    if task != "Aborts":
        terminal.read_until(b"from a worker" if task == "NoisyTask" else b"to descriptor 2")
        os.kill(terminal.pid, signal.SIGKILL)
    assert terminal.wait_gone() == (-signal.SIGABRT if task == "Aborts" else -signal.SIGKILL)
    # a data worker notices that its parent is gone after five seconds
    terminal.read_until(b"lrtui was killed")
    screen, _, after = terminal.written.rpartition(b"lrtui was killed")
    assert LEAVES_ALTERNATE_SCREEN in screen
    terminal.written = after
    # a data worker may write any number of lines about the end of its parent
    last = {"Aborts": rb"assertion failed", "NoisyTask": rb"wrote:\s+\S", "Talks": rb"to descriptor 2"}[task]
    assert terminal.read(SECONDS, lambda: re.search(last, terminal.written) is not None), terminal.written
    assert terminal.modes[3] == terminal.modes_before[3]
