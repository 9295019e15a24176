"""Training time: what counts and what does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import pytest
from process_server import ForkedProcess
from training_runs import TINY

from lrtui.training.clock import BEAT_SECONDS, LATE_SECONDS, Clock, ProcessTime


class Times:
    """Wall time and CPU time that a test sets."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.process_time = ProcessTime(lambda: self.wall, lambda: self.cpu)

    def go(self, seconds: float, cores: float = 1.0) -> None:
        self.wall += seconds
        self.cpu += cores * seconds

    def live(self, seconds: float, cores: float = 1.0) -> None:
        """Let time pass with the thread's signs of life."""
        for _ in range(round(seconds / BEAT_SECONDS)):
            self.go(BEAT_SECONDS, cores)
            self.process_time.seconds()


def test_a_stopped_process_does_not_count() -> None:
    times = Times()
    times.live(2.0)
    times.go(60.0, cores=0.0)
    assert times.process_time.seconds() == pytest.approx(2.0)
    times.live(1.0)
    assert times.process_time.seconds() == pytest.approx(3.0)


def test_waiting_without_cpu_time_counts_while_there_are_signs_of_life() -> None:
    times = Times()
    times.live(30.0, cores=0.0)
    assert times.process_time.seconds() == pytest.approx(30.0)


def test_native_code_that_computes_with_the_gil_counts() -> None:
    times = Times()
    times.go(10.0)
    assert times.process_time.seconds() == pytest.approx(10.0)


def test_a_short_gap_counts() -> None:
    times = Times()
    times.go(LATE_SECONDS * 0.9, cores=0.0)
    assert times.process_time.seconds() == pytest.approx(LATE_SECONDS * 0.9)


def test_a_clock_leaves_out_pauses_and_stops() -> None:
    times = Times()
    # a thread would read the times, too, but adds nothing
    clock = Clock(5.0, times.process_time)
    clock.resume()
    times.live(1.0)
    clock.pause()
    times.live(10.0)
    clock.resume()
    times.go(20.0, cores=0.0)
    assert clock.seconds == pytest.approx(6.0)
    times.live(1.0)
    assert clock.seconds == pytest.approx(7.0)


def test_the_time_in_which_a_run_was_suspended_is_not_training_time() -> None:
    slow = TINY.replace(":Tiny", ":Slow")
    arguments = ["train", "StepLR(1)", "--task", slow, "--batch-size", "16", "--epochs", "120", "--store", "none"]
    command = [sys.executable, "-m", "lrtui", *arguments, "--json"]
    events: list[dict[str, Any]] = []
    stopped = False
    with ForkedProcess(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for line in process.stdout:
            events.append(json.loads(line))
            if not stopped and events[-1]["step"] >= 30:
                os.kill(process.pid, signal.SIGSTOP)
                time.sleep(8.0)
                os.kill(process.pid, signal.SIGCONT)
                stopped = True
    assert process.returncode == 0
    seconds = [event["seconds"] for event in events]
    assert seconds == sorted(seconds)
    assert max(after - before for before, after in pairwise(seconds)) < 4.0
    speeds = [event["samples_per_second"] for event in events if "samples_per_second" in event]
    assert min(speeds) > 96 / 4.0
