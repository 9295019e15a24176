"""Measures cost and latency of the cockpit in a pseudo-terminal of 120x36 while the case study trains.

    python benchmarks/cockpit.py [--pairs 5] [--seconds 20] [--layouts] [--batches 1000000]

Prints:
- cold start: command to first painted screen, and whether torch was imported by then;
- the share of wall time in which the training thread runs, beside the same run headless, in alternating pairs; also for
  a small perceptron with two thousand steps per second;
- key to repaint, and bytes per second to the terminal in steady state;
- quit during a batch: key to the end of the process;
- with `--layouts`, bytes per second to the terminal in each layout at three sizes, with a log line for every batch;
- with `--batches`, the memory of a cockpit in which the perceptron trains that many batches.

The share is the CPU time of the training thread, from the accounting of the kernel, over wall time. A repaint is
complete when the text that only this key produces has arrived; the charts are part of the same frame.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from terminal import Terminal

TRAIN = [sys.executable, "-m", "lrtui"]
TICKS = os.sysconf("SC_CLK_TCK")


def thread_times(pid: int) -> dict[int, float]:
    """Return the CPU seconds of each thread of the process except the main one."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) != pid:
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            found[int(task.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def training_share(before: dict[int, float], after: dict[int, float], wall: float) -> float:
    """Return the share of time in which the training thread ran: the oldest busy thread, which starts those of
    torch."""
    for thread in sorted(before):
        share = (after.get(thread, 0.0) - before[thread]) / wall
        if share > 0.3:
            return share
    raise SystemExit("no thread trains")


def has_torch(pid: int) -> bool:
    """Return whether the process has mapped the library of torch."""
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def cold_start(times: int) -> None:
    """Print the time to the first painted screen."""
    found, loaded = [], []
    for _ in range(times):
        terminal = Terminal(TRAIN)
        # the footer is painted last
        terminal.read(10, lambda text: b"help" in text and b"settings" in text)
        found.append(time.perf_counter() - terminal.start)
        loaded.append(has_torch(terminal.pid))
        terminal.kill()
    shown = ", ".join(f"{seconds * 1000:.0f}" for seconds in found)
    print(f"cold start: first painted screen after {shown} ms; torch imported by then: {any(loaded)}")


KEYS = (
    ("o", ("runs: best first", "runs: sorted by name", "runs: newest first")),
    ("l", ("y axis of the lr: logarithmic", "y axis of the lr: linear")),
    ("z", ("smoothed over 500", "without smoothing", "smoothed over 20 ", "smoothed over 100")),
    ("a", ("x axis: step", "x axis: training time", "x axis: epoch")),
)
"""Keys that repaint a list, the lr chart, the loss chart and all charts, with the texts that tell each press apart."""


class Task(NamedTuple):
    """A training task: its name, its arguments, and the minimum share of its thread."""

    name: str
    arguments: tuple[str, ...]
    least_share: float


CASE_STUDY = Task("case study", ("ExponentialLR(gamma=0.1)", "--log-interval", "10"), 0.95)
PERCEPTRON = Task(
    "perceptron",
    (
        *("StepLR(step_size=500)", "--epochs", "1000", "--device", "cpu"),
        *("--task", f"{Path(__file__).with_name('perceptron.py')}:Perceptron"),
    ),
    0.9,
)


class Measured(NamedTuple):
    """Results of one cockpit: share of the thread, bytes per second, key latencies in seconds, and time to quit."""

    share: float
    rate: float
    latencies: list[float]
    quitting: float | None


def start_cockpit(task: Task) -> Terminal:
    """Start a cockpit and wait until it trains."""
    terminal = Terminal([*TRAIN, *task.arguments])
    if not terminal.read(90, lambda text: b"batch-" in text):
        raise SystemExit("the cockpit never trained")
    terminal.read(3)
    return terminal


def latency(terminal: Terminal, key: str, answer: str) -> float:
    """Return the seconds from a key to the frame that answers it."""
    terminal.press(key)
    pressed = time.perf_counter()
    if not terminal.read(5, lambda text: answer.encode() in text):
        raise SystemExit(f"{key} was not answered by {answer!r}")
    taken = time.perf_counter() - pressed
    # not in step with the timers of the screen
    terminal.read(random.uniform(0.05, 0.3))
    return taken


def in_cockpit(task: Task, seconds: float, presses: int) -> Measured:
    """Measure one cockpit from its start to its end."""
    terminal = start_cockpit(task)
    start, before, written = time.perf_counter(), thread_times(terminal.pid), terminal.bytes
    terminal.read(seconds)
    wall = time.perf_counter() - start
    share = training_share(before, thread_times(terminal.pid), wall)
    rate = (terminal.bytes - written) / wall
    latencies = []
    for index in range(presses):
        key, answers = KEYS[index % len(KEYS)]
        latencies.append(latency(terminal, key, answers[index // len(KEYS) % len(answers)]))
    terminal.press("q")
    terminal.read(0.5)
    terminal.press("q")
    return Measured(share, rate, latencies, terminal.wait_gone(5))


def headless_share(task: Task, seconds: float) -> float:
    """Return the share of the training thread of the same run without a screen."""
    process = subprocess.Popen([*TRAIN, "train", *task.arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.readline()
    reader = threading.Thread(target=process.stdout.read, daemon=True)
    reader.start()
    time.sleep(3)
    start, before = time.perf_counter(), thread_times(process.pid)
    time.sleep(seconds)
    share = training_share(before, thread_times(process.pid), time.perf_counter() - start)
    process.kill()
    process.wait()
    return share


def compare(task: Task, pairs: int, seconds: float, presses: int) -> None:
    """Print the shares of a task in the cockpit and headless, in turn, and all other results."""
    ratios, latencies, rates, quits = [], [], [], []
    for _ in range(pairs):
        alone = headless_share(task, seconds)
        measured = in_cockpit(task, seconds, presses)
        ratios.append(measured.share / alone)
        latencies += measured.latencies
        rates.append(measured.rate / 1000)
        quits.append("NOT within 5 s" if measured.quitting is None else f"{measured.quitting * 1000:.0f} ms")
        print(f"  {measured.share:.3f} of the time, {alone:.3f} headless: {ratios[-1]:.3f}", flush=True)
    ordered = sorted(latencies)
    by_key = ", ".join(
        f"{key} {statistics.median(every) * 1000:.1f} ms"
        for index, (key, _) in enumerate(KEYS)
        if (every := latencies[index :: len(KEYS)])
    )
    print(
        f"{task.name}: the training thread keeps {statistics.median(ratios):.3f} of its headless share, median "
        f"(limit {task.least_share})\n"
        f"  to the terminal: {', '.join(f'{rate:.1f}' for rate in rates)} kB/s (limit 12)\n"
        f"  key to repaint: {by_key}; all {len(ordered)}: median {statistics.median(ordered) * 1000:.1f} ms (15), "
        f"99th percentile {ordered[int(0.99 * (len(ordered) - 1))] * 1000:.0f} ms (150), "
        f"most {ordered[-1] * 1000:.0f} ms\n"
        f"  quit in mid-batch: {', '.join(quits)} (limit 1000 ms)",
        flush=True,
    )


LAYOUTS = {"all panes": "", "log": "4", "log alone": "\r", "all panes again": "\x1b", "loss": "2", "loss alone": "\r"}
"""The key that leads to each layout from the one before it."""


def layouts(seconds: float) -> None:
    """Print the bytes per second to the terminal in each layout."""
    for columns, lines in ((80, 24), (120, 36), (200, 50)):
        for task in (CASE_STUDY, PERCEPTRON):
            terminal = Terminal([*TRAIN, *task.arguments, "--log-interval", "1"], columns, lines)
            if not terminal.read(90, lambda text: b"epoch 1/" in text):
                raise SystemExit("the cockpit never trained")
            rates = []
            for name, key in LAYOUTS.items():
                if key:
                    terminal.press(key)
                # the repaint of the whole screen is not part of the steady state
                terminal.read(4)
                start, written = time.perf_counter(), terminal.bytes
                terminal.read(seconds)
                rates.append(f"{name} {(terminal.bytes - written) / (time.perf_counter() - start) / 1000:.1f}")
            terminal.kill()
            print(f"{columns}x{lines}, {task.name}, kB/s (limit 12): {', '.join(rates)}", flush=True)


def memory(batches: int) -> None:
    """Print the memory of a cockpit while the perceptron trains a number of batches."""
    terminal = start_cockpit(PERCEPTRON)
    done, reported = 0, 0
    print("memory, perceptron:", flush=True)
    while done < batches:
        terminal.read(2)
        done = max(
            [done, *(int(found.replace(b",", b"")) for found in re.findall(rb"([\d,]{5,})/[\d,]+", terminal.text))]
        )
        if done >= reported:
            status = Path(f"/proc/{terminal.pid}/status").read_text()
            resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
            print(f"  after {done:>9,} batches {resident:.0f} MB", flush=True)
            reported += batches // 10
    terminal.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--presses", type=int, default=60, help="keys pressed in each cockpit")
    parser.add_argument("--layouts", action="store_true", help="measure the bytes to the terminal in each layout")
    parser.add_argument("--batches", type=int, default=0, help="train that many batches and print the memory")
    options = parser.parse_args()
    # the runs are recorded in a temporary store
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LRTUI_STORE"] = folder
        cold_start(5)
        for task in (CASE_STUDY, PERCEPTRON):
            compare(task, options.pairs, options.seconds, options.presses)
        if options.layouts:
            layouts(options.seconds)
        if options.batches:
            memory(options.batches)


if __name__ == "__main__":
    main()
