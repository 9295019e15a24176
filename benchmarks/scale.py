"""Measures a thousand runs in one store: simulated workers, the process that records their runs, and a cockpit on them.

    python benchmarks/scale.py [--runs 10 1000] [--rate 50] [--seconds 30] [--metrics 0] [--workers 2]
    python benchmarks/scale.py --ceiling                       (as many steps as the driver takes)

The driver is a process as `lrtui race` is one: it starts runs through a launcher, takes their events and records them.
The workers are simulated, many in each process, but the way from there is that of the product: each connects to the
driver's port as a worker does, gets its request, sends batches of steps when the driver has taken the ones before, and
ends its run. A cockpit with an open run of that store is in a pseudo-terminal of 120x36.

Printed, without the cockpit and with it:
- steps recorded per second, and how far the store is behind the workers;
- whether every step of every run is in the store, which is read at the end;
- processor time, memory, threads and file descriptors of the driver, for each run; bytes on disk for each step;
- key to repaint; seconds that the run on the screen is behind the store; memory and processor time of the cockpit;
- the processor time of plain `sqlite3`, which inserts the same rows into the same table once a second, beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import selectors
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

BATCHES_PER_EPOCH = 1000

SETTLING_SECONDS = 5.0
"""Seconds after the last run has started that are not measured."""

STEPS_AT_ONCE = 200
"""Steps in a batch of a worker that sends as many as the driver takes."""


# -- simulated workers: their own processes ---------------------------------------------------------------------------


class SimulatedWorker:
    """The worker's end of one channel: sends a run that never was trained."""

    def __init__(self, environment: Mapping[str, str], rate: float, metrics: int) -> None:
        from lrtui.distributed.channel import connect
        from lrtui.engine.worker_request import WorkerRequest

        self.channel = connect(environment)
        self.request = WorkerRequest.of_json(self.channel.receive().body)
        self._rate, self._metrics = rate, metrics
        self._seq, self.steps = self.request.next_seq, 0
        self._random = random.Random(self.request.number)
        self._start = time.monotonic()
        self._may_send_at, self._is_taken = 0.0, True
        self.is_stopping = self.has_ended = self.has_left = False

    def begin(self) -> None:
        """Send the first event."""
        from lrtui.run.events import RunStarted

        groups = {"group_names": ("all",), "group_lrs": (0.01,)}
        data: dict[str, Any] = {"device": "cpu", "torch_threads": 1, "data": {}, "parameter_count": 1}
        total = self.request.spec.epochs * BATCHES_PER_EPOCH
        data |= {"batches_per_epoch": BATCHES_PER_EPOCH, "total_steps": total, "spec": self.request.spec, **groups}
        self._start = time.monotonic()
        self._send([RunStarted(seq=self._next_seq(), step=0, seconds=0.0, **data)])

    def _next_seq(self) -> int:
        self._seq += 1
        return self._seq - 1

    def _send(self, events: Sequence[Any]) -> None:
        from lrtui.distributed.event_stream import events_message

        self._is_taken = False
        self.channel.send(events_message(events))

    def take(self) -> None:
        """Take a message of the driver."""
        message = self.channel.receive()
        if message.kind == "taken":
            self._is_taken = True
            self._may_send_at = time.monotonic() + (message.body["pause"] if self._rate else 0.0)
        elif message.kind == "command":
            self.is_stopping = True
        elif message.kind == "leave":
            self.has_left = True

    def turn(self, now: float) -> None:
        """Send the steps that are due, if the driver has taken those before."""
        from lrtui.distributed.message import Message
        from lrtui.run.events import RunFinished, StepDone

        if self.has_ended or not self._is_taken or (now < self._may_send_at and not self.is_stopping):
            return
        until = int((now - self._start) * self._rate) if self._rate else self.steps + STEPS_AT_ONCE
        events: list[Any] = []
        for step in range(self.steps, until):
            noise = self._random.random()
            events.append(
                StepDone(
                    seq=self._next_seq(),
                    step=step,
                    seconds=step / (self._rate or 1000.0),
                    epoch=step // BATCHES_PER_EPOCH + 1,
                    batch=step % BATCHES_PER_EPOCH,
                    loss=2.0 / (1.0 + step / 300) + 0.2 * noise,
                    lrs=(0.01 * 0.9 ** (step // BATCHES_PER_EPOCH),),
                    **({"metrics": {f"metric {i}": noise + i for i in range(self._metrics)}} if self._metrics else {}),
                )
            )
            if step % BATCHES_PER_EPOCH == BATCHES_PER_EPOCH - 1:
                events += self._end_of_epoch(step)
        self.steps = until
        if self.is_stopping:
            events.append(
                RunFinished(seq=self._next_seq(), step=until, seconds=until / (self._rate or 1000.0), outcome="stopped")
            )
        if events:
            self._send(events)
        if self.is_stopping:
            self.channel.send(Message("end", {"error": None, "removed": []}))
            self.has_ended = True

    def _end_of_epoch(self, step: int) -> list[Any]:
        from lrtui.run.events import EpochDone, EvalDone

        epoch, seconds = step // BATCHES_PER_EPOCH + 1, step / (self._rate or 1000.0)
        accuracy = 1.0 - 0.5 / (epoch + self._random.random())
        common: dict[str, Any] = {"step": step + 1, "seconds": seconds, "epoch": epoch}
        return [
            EvalDone(seq=self._next_seq(), loss=1.0 / epoch, accuracy=accuracy, seconds_taken=0.1, **common),
            EpochDone(seq=self._next_seq(), lrs=(0.01,), samples_per_second=self._rate * 64, **common),
        ]


def simulate(rate: float, metrics: int) -> None:
    """Simulate the workers whose environments come as lines of JSON; print the name of each that has ended."""
    new: queue.Queue[dict[str, str]] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            new.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    selector = selectors.DefaultSelector()
    workers: dict[str, SimulatedWorker] = {}
    while True:
        with suppress(queue.Empty):
            while True:
                environment = new.get(block=not workers)
                worker = SimulatedWorker(environment, rate, metrics)
                workers[environment["LRTUI_WORKER_NAME"]] = worker
                selector.register(worker.channel, selectors.EVENT_READ, worker)
                worker.begin()
        for key, _ in selector.select(0.02 if rate else 0.001):
            key.data.take()
        now = time.monotonic()
        for name, worker in list(workers.items()):
            worker.turn(now)
            if worker.has_left:
                selector.unregister(worker.channel)
                worker.channel.close()
                del workers[name]
                print(name, flush=True)


# -- the driver: a process of its own ---------------------------------------------------------------------------------


class SimulatedProcess:
    """A worker's process, as its launcher sees it."""

    waiting_for = ""

    def __init__(self) -> None:
        self.is_alive = True

    def end(self) -> None:
        """Do nothing: the process simulates other workers, too."""
        self.is_alive = False

    def failure(self) -> str:
        """Return nothing: it can't fail."""
        return ""


class SimulatedLauncher:
    """Has workers simulated by a few processes."""

    name, host, shares_files = "simulated", "127.0.0.1", True

    def __init__(self, processes: int, rate: float, metrics: int) -> None:
        command = [sys.executable, __file__, "--simulate", "--rate", str(rate), "--metrics", str(metrics)]
        self._simulators = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        self._workers: dict[str, SimulatedProcess] = {}
        self._next = 0
        self._lock = threading.Lock()
        for simulator in self._simulators:
            threading.Thread(target=self._note_ends, args=(simulator.stdout,), daemon=True).start()

    def _note_ends(self, output: IO[str]) -> None:
        for line in output:
            self._workers[line.strip()].is_alive = False

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], label: str) -> SimulatedProcess:
        """Have a worker simulated."""
        worker = self._workers[environment["LRTUI_WORKER_NAME"]] = SimulatedProcess()
        simulator = self._simulators[self._next % len(self._simulators)]
        self._next += 1
        assert simulator.stdin is not None
        with self._lock:
            simulator.stdin.write(json.dumps(dict(environment)) + "\n")
            simulator.stdin.flush()
        return worker

    def close(self) -> None:
        """End the simulating processes."""
        for simulator in self._simulators:
            assert simulator.stdin is not None
            simulator.stdin.close()
            simulator.wait(30)


def drive(folder: Path, runs: int, rate: float, metrics: int, workers: int) -> None:
    """Record runs until a line comes; print a line of JSON when all have started, and one when all have ended."""
    from lrtui import Run, RunSpec

    own = psutil.Process()
    before = own.memory_full_info().uss
    launcher = SimulatedLauncher(workers, rate, metrics)
    spec = RunSpec(schedule="ExponentialLR(gamma=0.9)", epochs=100, store=str(folder))
    started = time.monotonic()
    # as the jobs of a race, each of which starts its run
    with ThreadPoolExecutor(64) as pool:
        recorded = list(pool.map(lambda _: Run(spec, launcher=launcher).start(), range(runs)))
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), is_over.set()), daemon=True).start()

    def poll() -> None:
        for run in recorded:
            run.update()
        time.sleep(0.1)

    while not all(run.state.step for run in recorded):
        poll()
    print(json.dumps({"start": time.monotonic() - started, "uss": own.memory_full_info().uss - before}), flush=True)
    while not is_over.is_set():
        poll()
    for run in recorded:
        run.send("stop")
    while not all(run.state.outcome for run in recorded):
        poll()
    for run in recorded:
        run.join(60)
    launcher.close()
    steps = sum(run.state.step for run in recorded)
    errors = sorted({run.recording_error for run in recorded} - {""})
    outcomes = sorted({run.state.outcome.outcome for run in recorded if run.state.outcome})
    print(json.dumps({"steps": steps, "outcomes": outcomes, "errors": errors}), flush=True)


# -- measuring --------------------------------------------------------------------------------------------------------


@dataclass
class Use:
    """What a process and its children use, between two moments."""

    process: psutil.Process
    start: float = field(default_factory=time.monotonic)
    cpu: float = 0.0

    def __post_init__(self) -> None:
        self.cpu = self._cpu()

    def _cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def share(self) -> float:
        """Return the processor time since the first moment, as a share of one core."""
        return (self._cpu() - self.cpu) / (time.monotonic() - self.start)


def stored_steps(folder: Path) -> int:
    """Return the steps that the rows of all runs say are stored."""
    with closing(sqlite3.connect(f"file:{folder / 'runs.db'}?mode=ro", uri=True, timeout=30)) as connection:
        return int(connection.execute("SELECT coalesce(sum(step), 0) FROM runs").fetchone()[0])


def check_store(folder: Path, steps: int, runs: int) -> str:
    """Return what is missing in the store; an empty string if every event of every run is there, without a gap."""
    with closing(sqlite3.connect(f"file:{folder / 'runs.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT run, count(*), max(seq) FROM batches GROUP BY run").fetchall()
        query = "SELECT run, count(*), max(seq) FROM events GROUP BY run"
        others = {run: (count, last) for run, count, last in connection.execute(query)}
    stored = sum(count for _, count, _ in rows)
    gaps = [run for run, count, last in rows if count + others[run][0] != max(last, others[run][1]) + 1]
    if stored != steps or len(rows) != runs or gaps:
        return f"{steps - stored:,} of {steps:,} steps are missing; runs with gaps: {gaps[:5]}"
    return ""


def plain_sqlite(folder: Path, runs: int, rate: float, seconds: int = 5) -> float:
    """Return the processor seconds per row that plain `sqlite3` takes for the same rows, a transaction a second."""
    from lrtui.store.connection import open_for_writing

    count = int(rate) or 50
    with closing(open_for_writing(folder)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        used = 0.0
        for second in range(seconds):
            steps = range(second * count, (second + 1) * count)
            rows = [
                (run, step, step, 1, step, step / 50, 1 / (1 + step), 1, 0.01) for run in range(runs) for step in steps
            ]
            start = time.process_time()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO batches (run, seq, step, epoch, batch, seconds, loss, finite, lr) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            connection.execute("COMMIT")
            used += time.process_time() - start
    return used / (seconds * count * runs)


class OpenCockpit:
    """A cockpit on the store, with its newest run on the screen."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        from terminal import Screen

        command = [sys.executable, "-m", "lrtui", "--store", str(folder)]
        self.screen = Screen(command, environment={"XDG_CONFIG_HOME": str(scratch / "config")})
        self.found: dict[str, float | None] = {}
        self._wait("first paint", lambda rows: "help" in rows[-1] and "quit" in rows[-1])
        self._wait("list painted", lambda rows: any("#" in row for row in rows))
        self._wait("newest run on screen", lambda rows: self.step(rows) is not None)

    def _wait(self, name: str, condition: Callable[[list[str]], bool]) -> None:
        arrived = self.screen.wait(condition, 120.0)
        self.found[name] = arrived and arrived - self.screen.start

    @staticmethod
    def step(rows: Sequence[str]) -> int | None:
        """Return the number of steps of the run on the screen, from its header."""
        found = re.search(r"([\d,]+)/[\d,]+", " ".join(rows[1:3]).partition("%")[2])
        return int(found[1].replace(",", "")) if found else None

    def latency(self, key: str, answer: Callable[[list[str]], bool]) -> float:
        """Return the seconds from a key to the frame that answers it; infinity for none in 10 seconds."""
        pressed = time.perf_counter()
        self.screen.press(key)
        arrived = self.screen.wait(answer, 10.0)
        # not in step with the timers of the screen
        self.screen.read(random.uniform(0.05, 0.3))
        return (arrived or float("inf")) - pressed

    def latencies(self, presses: int) -> dict[str, list[float]]:
        """Return the latency of the cursor in the list, of the order of the list, and of the axis of all charts."""
        self.screen.press("5")
        self.screen.read(1.0)
        found: dict[str, list[float]] = {"cursor": [], "order of the list": [], "all charts": []}
        for number in range(presses):
            before = self.screen.rows[0]
            found["cursor"].append(
                self.latency("\x1b[A" if number % 2 else "\x1b[B", lambda rows, old=before: rows[0][:20] != old[:20])
            )
        for name, key, texts in (
            ("order of the list", "o", ("runs: best first", "runs: sorted by name", "runs: newest first")),
            ("all charts", "a", ("x axis: step", "x axis: training time", "x axis: epoch")),
        ):
            for number in range(presses // 2):
                text = texts[number % 3]
                found[name].append(self.latency(key, lambda _, text=text: self.screen.shows(text)))
        return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(folder: Path, runs: int, options: argparse.Namespace, *, cockpit: bool) -> None:
    """Measure and print the driver, with or without an open cockpit."""
    scratch, rate = folder.parent, 0.0 if options.ceiling else options.rate
    print(f"\n{runs:,} runs, {f'{rate:g} steps a second each' if rate else 'as many steps as the driver takes'}"
          f", cockpit {'open' if cockpit else 'closed'}", flush=True)  # fmt: skip
    command = [sys.executable, __file__, "--drive", str(folder), "--runs", str(runs), "--rate", str(rate)]
    command += ["--metrics", str(options.metrics), "--workers", str(options.workers)]
    driver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert driver.stdin is not None
    assert driver.stdout is not None
    process = psutil.Process(driver.pid)
    try:
        began = json.loads(driver.stdout.readline())
        print(f"  all runs started after {began['start']:.1f} s")
        time.sleep(SETTLING_SECONDS)
        opened = OpenCockpit(folder, scratch) if cockpit else None
        use, first = Use(process), (stored_steps(folder), time.monotonic())
        simulators = [Use(child) for child in process.children(recursive=True)]
        latencies: dict[str, list[float]] = {}
        behind: list[float] = []
        if opened is not None:
            seen = Use(psutil.Process(opened.screen.pid))
            latencies = opened.latencies(options.presses)
            end = time.monotonic() + options.seconds
            while time.monotonic() < end:
                opened.screen.read(1.0)
                if rate and (shown := opened.step(opened.screen.rows)) is not None:
                    newest = stored_steps(folder) / runs
                    behind.append(max(0.0, newest - shown) / rate)
        else:
            time.sleep(options.seconds)
        last = (stored_steps(folder), time.monotonic())
        seconds = last[1] - first[1]
        speed = (last[0] - first[0]) / seconds
        memory, share = process.memory_full_info().uss, use.share()
        print(f"  recorded: {speed:,.0f} steps a second for {seconds:.0f} s")
        print(
            f"  driver: {100 * share:.0f} % of a core ({share / max(speed, 1) * 1e6:.1f} µs a step), "
            f"{memory / 1e6:.0f} MB; for each run {1e3 * share / runs:.2f} ms of a core a second, "
            f"{began['uss'] / runs / 1e3:.0f} kB, {process.num_threads() / runs:.2f} threads, "
            f"{process.num_fds() / runs:.2f} file descriptors"
        )
        print(f"  simulated workers: {100 * sum(each.share() for each in simulators):.0f} % of a core")
        if opened is not None:
            held = opened.screen.memory()
            found = [f"{name} after {value or float('nan'):.2f} s" for name, value in opened.found.items()]
            print(f"  cockpit: {', '.join(found)}")
            for name, values in latencies.items():
                print(
                    f"  key to repaint, {name}: median {1e3 * statistics.median(values):.0f} ms, "
                    f"90th percentile {1e3 * percentile(values, 0.9):.0f}, 99th {1e3 * percentile(values, 0.99):.0f}"
                )
            if behind:
                print(
                    f"  the run on the screen is behind the store by {statistics.median(behind):.1f} s (median), "
                    f"at most {max(behind):.1f} s"
                )
            print(f"  cockpit: {100 * seen.share():.0f} % of a core, at most {held.peak:.0f} MB, own {held.own:.0f} MB")
            opened.screen.kill()
        print("", file=driver.stdin, flush=True)
        ended = json.loads(driver.stdout.readline())
        driver.wait(120)
        missing = check_store(folder, ended["steps"], runs)
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        whole = missing or f"all {ended['steps']:,} steps, without a gap"
        states = ", ".join(ended["outcomes"] + ended["errors"])
        print(f"  store: {whole}; runs {states}; {size / ended['steps']:.0f} bytes a step")
        plain = plain_sqlite(scratch / f"plain-{cockpit}-{rate}", runs, rate)
        print(f"  plain sqlite3 beside it: {plain * 1e6:.2f} µs a row; the driver takes "
              f"{share / max(speed, 1) / plain:.1f} times as long a step")  # fmt: skip
    finally:
        if driver.poll() is None:
            driver.kill()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 1000], help="numbers of runs, measured in turn")
    parser.add_argument("--rate", type=float, default=50.0, help="steps a second of each run")
    parser.add_argument("--seconds", type=float, default=30.0, help="seconds that are measured")
    parser.add_argument("--metrics", type=int, default=0, help="metrics of each step")
    parser.add_argument("--workers", type=int, default=2, help="processes that simulate workers")
    parser.add_argument("--presses", type=int, default=40, help="keys pressed")
    parser.add_argument("--ceiling", action="store_true", help="workers send as many steps as the driver takes")
    parser.add_argument("--only", choices=["open", "closed"], help="measure with the cockpit open or closed only")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--simulate", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.simulate:
        simulate(options.rate, options.metrics)
    elif options.drive:
        drive(options.drive, options.runs[0], options.rate, options.metrics, options.workers)
    else:
        for runs in options.runs:
            for cockpit in (False, True):
                if options.only in (None, "open" if cockpit else "closed"):
                    with tempfile.TemporaryDirectory() as name:
                        measure(Path(name) / "store", runs, options, cockpit=cockpit)


if __name__ == "__main__":
    main()
