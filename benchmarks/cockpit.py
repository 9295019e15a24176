"""What the cockpit costs and how fast it is, in a real pseudo-terminal of 120x36 while the case study trains.

    python benchmarks/cockpit.py [--pairs 3] [--seconds 20]

Prints:
- cold start: command to first painted screen, and whether torch was imported by then;
- the share of wall time that the training thread runs, against the same run headless, in turn, in pairs;
- key to repaint, and bytes a second to the terminal in steady state;
- quit in mid-batch: key to the end of the process.

The share is CPU time of the training thread, from the kernel's accounting of that thread, over wall time.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

COLUMNS, LINES = 120, 36
TRAIN = [sys.executable, "-m", "lrtui"]
TICKS = os.sysconf("SC_CLK_TCK")


def thread_times(pid: int) -> dict[int, float]:
    """Return the CPU seconds of each of the process's threads but its main one."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) != pid:
            fields = (task / "stat").read_text().rsplit(")", 1)[1].split()
            found[int(task.name)] = (int(fields[11]) + int(fields[12])) / TICKS
    return found


def training_share(before: dict[int, float], after: dict[int, float], wall: float) -> float:
    """Return the share of the time that the training thread ran: the oldest busy one, which starts torch's others."""
    for thread in sorted(before):
        share = (after.get(thread, 0.0) - before[thread]) / wall
        if share > 0.3:
            return share
    raise SystemExit("no thread trains")


class Terminal:
    """A program in a pseudo-terminal, everything it writes counted and thrown away."""

    def __init__(self, command: list[str]) -> None:
        self.begun = time.perf_counter()
        self.bytes = 0
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor"})
            os.execvp(command[0], command)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._text = b""

    def read(self, seconds: float, until: Callable[[bytes], bool] = lambda _: False) -> bool:
        """Read for so long, or until what was written satisfies the condition; return whether it did."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self._fd], [], [], min(left, 0.05))[0]:
                continue
            try:
                chunk = os.read(self._fd, 1 << 16)
            except OSError:
                return False
            if not chunk:
                return False
            self.bytes += len(chunk)
            self._text = (self._text + chunk)[-200_000:]
            if until(self._text):
                return True
        return False

    def press(self, key: str) -> None:
        """Press a key."""
        self._text = b""
        os.write(self._fd, key.encode())

    def wait_gone(self, seconds: float) -> float | None:
        """Return how long the process takes to end, or None if it does not."""
        begun = time.perf_counter()
        while time.perf_counter() - begun < seconds:
            self.read(0.01)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return time.perf_counter() - begun
        return None

    def kill(self) -> None:
        """End the process."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def has_torch(pid: int) -> bool:
    """Say whether the process has mapped torch's library."""
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def cold_start(times: int) -> None:
    """Print the time to the first painted screen."""
    found, loaded = [], []
    for _ in range(times):
        terminal = Terminal(TRAIN)
        # the last line is the last to be painted
        terminal.read(10, lambda text: b"help" in text and b"settings" in text)
        found.append(time.perf_counter() - terminal.begun)
        loaded.append(has_torch(terminal.pid))
        terminal.kill()
    shown = ", ".join(f"{seconds * 1000:.0f}" for seconds in found)
    print(f"cold start: first painted screen after {shown} ms; torch imported by then: {any(loaded)}")


def cockpit_share(seconds: float) -> tuple[float, float, list[float], float | None]:
    """Return the thread's share, bytes a second, key latencies in seconds and the time to quit."""
    terminal = Terminal([*TRAIN, "ExponentialLR(gamma=0.1)"])
    terminal.read(60, lambda text: b"Train Epoch" in text)
    terminal.read(3)
    begun, before, written = time.perf_counter(), thread_times(terminal.pid), terminal.bytes
    terminal.read(seconds)
    wall = time.perf_counter() - begun
    share = training_share(before, thread_times(terminal.pid), wall)
    rate = (terminal.bytes - written) / wall
    latencies = []
    for _ in range(20):
        terminal.press("\t")
        pressed = time.perf_counter()
        terminal.read(2, bool)
        latencies.append(time.perf_counter() - pressed)
        terminal.read(0.23)
    terminal.press("q")
    terminal.read(0.5)
    terminal.press("q")
    return share, rate, latencies, terminal.wait_gone(5)


def headless_share(seconds: float) -> float:
    """Return the thread's share of the same run without a screen."""
    process = subprocess.Popen(
        [*TRAIN, "train", "ExponentialLR(gamma=0.1)"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(3)
    begun, before = time.perf_counter(), thread_times(process.pid)
    time.sleep(seconds)
    share = training_share(before, thread_times(process.pid), time.perf_counter() - begun)
    process.kill()
    process.wait()
    return share


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    cold_start(5)
    ratios = []
    for _ in range(options.pairs):
        alone = headless_share(options.seconds)
        share, rate, latencies, quitting = cockpit_share(options.seconds)
        ratios.append(share / alone)
        ordered = sorted(latencies)
        gone = "NOT within 5 s" if quitting is None else f"{quitting * 1000:.0f} ms"
        print(
            f"training thread runs {share:.3f} of the time, {alone:.3f} headless: {share / alone:.3f}\n"
            f"{rate / 1000:.1f} kB/s; key to repaint {statistics.median(ordered) * 1000:.0f} ms median, "
            f"{ordered[-1] * 1000:.0f} ms at most; quit in mid-batch {gone}",
            flush=True,
        )
    print(f"ratio of the shares: median {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
