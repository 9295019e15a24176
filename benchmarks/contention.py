"""Measures how training slows down when it shares the processor.

    python benchmarks/contention.py [--rounds 3] [--policy lrtui --policy passive ...] [--presses 40] [--precision fp32]

The same epoch of the case study is timed without a screen: alone, two at once, by two processes of one run, in a race
of two processes, and with two workers that load data. Each of the first, the third and the race is repeated beside
another program that keeps PyTorch busy with PyTorch's own settings. The last row presses keys in a cockpit that trains
while a second run trains beside it; `benchmarks/cockpit.py` measures the cockpit alone. Each time is divided by that of
a run alone with the same policy, or without the other program. Two at once take twice as long if one alone keeps all
cores busy, and less if it does not.

A policy is a setting of OpenMP's threads by environment variables: `lrtui` leaves them to lrtui, the others set what a
user could set, which lrtui keeps. The policies take turns, so that other load on the machine falls on all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cockpit

POLICIES: Mapping[str, Mapping[str, str]] = {
    "lrtui": {},
    "pytorch": {"GOMP_SPINCOUNT": "300000"},
    "short spin": {"GOMP_SPINCOUNT": "10000"},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
}
"""Environment variables of each policy; 300,000 is libgomp's own spin count where there are as many threads as
cores."""

TWO, RACE, BESIDE = "--nproc 2", "race, 2 jobs", " beside PyTorch"

LIMITS = dict.fromkeys(("two at once", f"alone{BESIDE}", f"{TWO}{BESIDE}", f"{RACE}{BESIDE}"), 2.4)
"""Largest allowed ratio to one run alone, or to the same without the other program."""

SIZES = ("--epochs", "1", "--train-samples", "6000", "--test-samples", "500")
SCHEDULES = ("ExponentialLR(gamma=0.1)", "StepLR(step_size=3)")

BUSY = """
import torch
weights, images = torch.randn(64, 32, 3, 3), torch.randn(64, 32, 14, 14)
while True:
    torch.nn.functional.conv2d(images, weights).relu().sum()
"""
"""Another program: convolutions of the case study's size, without a pause."""


def environment(policy: str) -> dict[str, str]:
    """Return the environment variables of a process with this policy."""
    unset = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    return {name: value for name, value in os.environ.items() if name not in unset} | dict(POLICIES[policy])


def train(precision: str, *options: str) -> list[str]:
    """Return the command of one run."""
    more = ("--precision", precision, "--store", "none", "--quiet")
    return [*cockpit.TRAIN, "train", SCHEDULES[0], *SIZES, *more, *options]


def seconds(commands: Sequence[Sequence[str]], policy: str) -> float:
    """Return how long these commands take when they start together: the median of their times."""
    start = time.perf_counter()
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = {n: subprocess.Popen(command, env=environment(policy), **silent) for n, command in enumerate(commands)}
    taken: dict[int, float] = {}
    while running:
        for number, process in list(running.items()):
            if (status := process.poll()) is not None:
                if status:
                    raise SystemExit(f"{' '.join(commands[number])} exited with {status}")
                taken[number] = time.perf_counter() - start
                del running[number]
        time.sleep(0.01)
    return statistics.median(taken.values())


@contextmanager
def busy_program() -> Iterator[None]:
    """Keep PyTorch busy in a process with PyTorch's own settings."""
    process = subprocess.Popen([sys.executable, "-c", BUSY], env=environment("pytorch"))
    time.sleep(3)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def measure(policy: str, precision: str, folder: Path) -> dict[str, float]:
    """Return the seconds of each row for one policy, once."""
    run, two = train(precision), train(precision, "--nproc", "2")
    more = ("--precision", precision, "--seeds", "1", "--jobs", "2", "--quiet", "--new")

    def race() -> list[str]:
        store = ("--store", str(folder / f"{policy}-{time.time_ns()}"))
        return [*cockpit.TRAIN, "race", *SCHEDULES, *SIZES, *more, *store]

    found = {"alone": seconds([run], policy), "two at once": seconds([run, run], policy)}
    found |= {TWO: seconds([two], policy), RACE: seconds([race()], policy)}
    with busy_program():
        found |= {f"alone{BESIDE}": seconds([run], policy), f"{TWO}{BESIDE}": seconds([two], policy)}
        found[f"{RACE}{BESIDE}"] = seconds([race()], policy)
    task = f"{Path(__file__).with_name('loader.py')}:Loader"
    found["2 data workers"] = seconds([train(precision, "--task", task)], policy)
    return found


def latencies(policy: str, presses: int) -> list[float]:
    """Return the seconds from each key to its repaint, in a cockpit beside a second run."""
    os.environ.update(POLICIES[policy])
    beside = subprocess.Popen(
        [*cockpit.TRAIN, "train", SCHEDULES[0], "--epochs", "1000", "--store", "none", "--quiet"],
        env=environment(policy),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    terminal = cockpit.start_cockpit(cockpit.CASE_STUDY)
    try:
        keys = cockpit.KEYS
        found = []
        for number in range(presses):
            key, answers = keys[number % len(keys)]
            found.append(cockpit.latency(terminal, key, answers[number // len(keys) % len(answers)]))
        return found
    finally:
        terminal.kill()
        beside.kill()
        beside.wait()
        for name in POLICIES[policy]:
            del os.environ[name]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--policy", action="append", choices=POLICIES, help="can be repeated (default: lrtui, pytorch)")
    parser.add_argument("--precision", default="fp32", help="of the timed runs (default: fp32)")
    parser.add_argument("--presses", type=int, default=40, help="keys pressed in each cockpit; 0 leaves that row out")
    arguments = parser.parse_args()
    policies = arguments.policy or ["lrtui", "pytorch"]
    rounds: dict[str, list[dict[str, float]]] = {policy: [] for policy in policies}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.rounds):
            for policy in policies:
                rounds[policy].append(measure(policy, arguments.precision, Path(folder)))
    failed = False
    for policy in policies:
        variables = " ".join(f"{name}={value}" for name, value in POLICIES[policy].items())
        print(f"{policy}: {variables or 'as lrtui sets it'}")
        for row in rounds[policy][0]:
            times = [each[row] for each in rounds[policy]]
            base = row.removesuffix(BESIDE) if row.endswith(BESIDE) else "alone"
            ratio = statistics.median(each[row] / each[base] for each in rounds[policy])
            limit = f" (limit {LIMITS[row]})" if row in LIMITS else ""
            failed |= policy == "lrtui" and ratio > LIMITS.get(row, float("inf"))
            middle, worst = statistics.median(times), max(times)
            print(f"  {row:<27} {middle:6.1f} s, worst {worst:6.1f} s, {ratio:5.2f} x {base}{limit}")
        if arguments.presses:
            found = sorted(latencies(policy, arguments.presses))
            middle, late = statistics.median(found), found[int(0.99 * (len(found) - 1))]
            print(
                f"  key to repaint beside a second run: median {middle * 1000:.1f} ms (limit 15), 99th percentile "
                f"{late * 1000:.0f} ms (limit 100)"
            )
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
