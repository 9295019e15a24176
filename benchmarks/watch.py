"""Measures `lrtui watch` in a pseudo-terminal of 120x36, beside other programs that show or read the same values.

    python benchmarks/watch.py [--quick] [--rounds 3] [--keep DIR] [--install] [--environments DIR] [--without-others]

One event file of 1,000,000 steps with two tags:
- seconds from the command to the first paint, and until the curve is drawn from end to end;
- until every point is in it: two single steps, one in the middle and one after 98.7 % of the steps, have a loss far
  above the curve, and the chart must show both, with the count of all steps;
- 100 more steps are appended to the file: seconds until they are counted on the screen;
- the most memory that was resident at any time, and what is shared with no other process at the end.

A folder of 300 event files of 10,000 steps: seconds until the list is painted, until every run in it has its curve
(the list is paged through from its first to its last run), and from a key to the frame that answers it.

The other programs are measured once on the one log: terminalboard, TensorBoard's EventAccumulator and tbparse on the
same file, lightning-metrics-tui on its values as CSV, `wandb leet` on them as a `.wandb` file. `--install` creates a
virtual environment for each; without it those are measured that exist. All files are in the page cache.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from logs import LOSS, LR, Log, append_events, event_chunks, start_in_name, write_csv, write_event_file, write_wandb
from other_viewers import OTHERS, Environments, curve_columns, measure
from terminal import Screen

from lrtui.plotting.chart import MARGIN

WATCH = [sys.executable, "-m", "lrtui", "watch"]

LIMITS = {
    "whole curve on screen": 1.0,
    "every point in it": 3.0,
    "growth on screen": 1.0,
    "most memory, MB": 200.0,
    "runs listed": 1.0,
    "curves of all runs": 3.0,
    "key to repaint, median": 0.015,
    "key to repaint, 99th percentile": 0.1,
}
"""Seconds, or MB."""

LIST, PAGE_DOWN, UP, DOWN = "5", "\x1b[6~", "\x1b[A", "\x1b[B"

OLDEST = "run-000"
"""The run at the end of the list."""

MORE = 100
"""Steps that are appended."""

SPIKES = {0.5: 61.25, 0.987: 97.5}
"""The loss of the two steps, by their share of all steps."""


@dataclass(frozen=True)
class Size:
    """What is measured: the steps of the one log, the number of runs, and the steps of each."""

    steps: int = 1_000_000
    runs: int = 300
    run_steps: int = 10_000


QUICK = Size(100_000, 30, 1_000)


@dataclass(frozen=True)
class Logs:
    """The logs, and where they are."""

    one: Log
    one_file: Path
    runs: Path

    @classmethod
    def write(cls, folder: Path, size: Size) -> Logs:
        """Write the event files, or use those of an earlier call with the same size."""
        kept = next(folder.glob("one/run/*"), None)
        start = float(int(time.time()) - size.steps // 1000) if kept is None else start_in_name(kept)
        spikes = {int(size.steps * share) + 1: loss for share, loss in SPIKES.items()}
        one = Log(size.steps, start, spikes=spikes)
        if kept is not None:
            return cls(one, kept, folder / "runs")
        for number in range(size.runs):
            # started one after the other
            began = start + 10.0 * (number - size.runs)
            run = Log(size.run_steps, began, floor=0.2 + number / 1000, peak_lr=0.01 * (1 + number % 7))
            write_event_file(folder / "runs" / f"run-{number:03}", run)
        return cls(one, write_event_file(folder / "one" / "run", one), folder / "runs")


def check_writer(folder: Path) -> None:
    """Compare a short file with what TensorBoard's reader finds in it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(20_000, 1.7e9, spikes={777: 9.5})
    append_events(write_event_file(folder, log), log, MORE)
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    steps = np.arange(log.steps + MORE)
    for tag, expected in ((LOSS, log.loss(steps)), (LR, log.lr(steps))):
        found = accumulator.Scalars(tag)
        assert [event.step for event in found] == steps.tolist()
        assert [event.value for event in found] == expected.astype(np.float32).tolist()
        assert [event.wall_time for event in found] == log.times(steps).tolist()


def environment(scratch: Path) -> dict[str, str]:
    """Return environment variables for a cockpit with an empty store and without the user's settings."""
    return {"LRTUI_STORE": str(scratch / "store"), "XDG_CONFIG_HOME": str(scratch / "config")}


def is_painted(rows: Sequence[str]) -> bool:
    """Return whether the frame of the cockpit is on the screen: its footer is painted last."""
    return "help" in rows[-1] and "quit" in rows[-1]


def chart(rows: Sequence[str], title: str) -> list[str]:
    """Return the plotting area of a pane: its rows to the right of the y axis; [] if the pane is not shown."""
    top = next((number for number, row in enumerate(rows) if f" {title} " in row), None)
    if top is None:
        return []
    start = rows[top].index(f" {title} ")
    found = []
    for row in rows[top + 1 :]:
        _, axis, area = row[start:].partition("┤" if "┤" in row[start:] else "│")
        if not axis:
            break
        found.append(area)
    return found


def spans(rows: Sequence[str], title: str) -> bool:
    """Return whether the curve of a pane is drawn along nineteen twentieths of its plotting area."""
    area = chart(rows, title)
    return bool(area) and curve_columns(area) >= 0.95 * (max(map(len, area)) - MARGIN)


def has_whole_curve(rows: Sequence[str], steps: int) -> bool:
    """Return whether both curves go to the right end of their charts, and as many steps as that are counted.

    The axis of a log that is read from its start would end where the reading is.
    """
    counted = [int(found[1].replace(",", "")) for row in rows if (found := re.search(r"([\d,]+) steps in ", row))]
    return bool(counted) and max(counted) >= 0.95 * steps and spans(rows, "Loss") and spans(rows, "Learning rate")


def counts(steps: int) -> Callable[[Sequence[str]], bool]:
    """Return the condition that the number of steps is on the screen."""
    return lambda rows: any(f"{steps:,}" in row for row in rows)


def has_every_point(rows: Sequence[str], steps: int) -> bool:
    """Return whether both spikes go to the upper edge of the loss chart, and all steps are counted."""
    area = chart(rows, "Loss")
    if not area or not counts(steps)(rows):
        return False
    width = max(map(len, area)) - MARGIN
    places = [int(share * width) for share in SPIKES]
    return all(any("⠀" < dots <= "⣿" for dots in area[0][place - 3 : place + 4]) for place in places)


class Watch:
    """A cockpit on some logs, and the seconds until conditions were satisfied."""

    def __init__(self, path: Path, scratch: Path, limit: float) -> None:
        self.screen = Screen([*WATCH, str(path)], environment=environment(scratch))
        self.found: dict[str, float | None] = {}
        self._limit = limit

    def wait(self, name: str, condition: Callable[[Sequence[str]], bool], start: float | None = None) -> None:
        """Measure the seconds from a time, or from the command, until the condition is satisfied."""
        arrived = self.screen.wait(condition, self._limit)
        self.found[name] = arrived and arrived - (start or self.screen.start)

    def close(self) -> None:
        """End the cockpit; print its screen if something did not appear on it."""
        missing = [name for name, seconds in self.found.items() if seconds is None]
        if missing:
            print(f"not within {self._limit:g} s: {', '.join(missing)}", *self.screen.rows, sep="\n", file=sys.stderr)
        self.screen.kill()


def watch_one(logs: Logs, scratch: Path, limit: float) -> dict[str, float | None]:
    """Measure a cockpit on the one log, to which steps are appended."""
    watch = Watch(logs.one_file.parent, scratch, limit)
    size = logs.one_file.stat().st_size
    try:
        watch.wait("first paint", is_painted)
        watch.wait("whole curve on screen", lambda rows: has_whole_curve(rows, logs.one.steps))
        watch.wait("every point in it", lambda rows: has_every_point(rows, logs.one.steps))
        watch.screen.read(1.0)
        more = b"".join(event_chunks(logs.one, logs.one.steps, logs.one.steps + MORE))
        with logs.one_file.open("ab") as file:
            file.write(more)
        watch.wait("growth on screen", counts(logs.one.steps + MORE), time.perf_counter())
        watch.found["most memory, MB"], watch.found["own memory at the end, MB"] = watch.screen.memory()
        return watch.found
    finally:
        watch.close()
        os.truncate(logs.one_file, size)


def listed_runs(rows: Sequence[str]) -> dict[str, str]:
    """Return the rows of the list, up to its border, by the run's name; a sign of its state is before it."""
    left = [row.split("│")[0] for row in rows]
    return {found[1]: row for row in left if (found := re.match(r"  +\S (run-\d{3})\b", row))}


def all_have_curves(rows: Sequence[str]) -> bool:
    """Return whether every run that is listed has its curve of the lr."""
    runs = listed_runs(rows)
    return bool(runs) and all(curve_columns([row]) >= 3 for row in runs.values())


def watch_runs(logs: Logs, scratch: Path, limit: float, presses: int) -> tuple[dict[str, float | None], list[float]]:
    """Measure a cockpit on the folder of runs: its list, all curves in it, and the latency of keys."""
    watch = Watch(logs.runs, scratch, limit)
    count = sum(1 for _ in logs.runs.iterdir())
    latencies: list[float] = []
    try:
        watch.wait("first paint", is_painted)
        watch.wait("runs listed", lambda rows: len(listed_runs(rows)) >= min(count, 20))
        watch.screen.press(LIST)
        seen: set[str] = set()
        while OLDEST not in seen:
            watch.wait("curves of all runs", all_have_curves)
            before = set(listed_runs(watch.screen.rows))
            seen |= before
            watch.screen.press(PAGE_DOWN)
            if OLDEST not in seen and not watch.screen.wait(
                lambda rows, old=before: set(listed_runs(rows)) - old, limit
            ):
                watch.found["curves of all runs"] = None
                break
        for number in range(presses):
            before = watch.screen.rows
            pressed = time.perf_counter()
            watch.screen.press(DOWN if number % 2 else UP)
            answered = watch.screen.wait(lambda rows, old=before: rows[0] != old[0], 5.0)
            latencies.append((answered or float("inf")) - pressed)
            # not in step with the timers of the screen
            watch.screen.read(random.uniform(0.05, 0.3))
        watch.found["most memory, MB"], watch.found["own memory at the end, MB"] = watch.screen.memory()
        return watch.found, latencies
    finally:
        watch.close()


def report(title: str, rounds: Sequence[Mapping[str, float | None]]) -> bool:
    """Print a table of the best and the worst of the rounds; return whether all limits are met."""
    print(f"\n{title}, best and worst of {len(rounds)}")
    met = True
    for name in rounds[0]:
        values = [each.get(name) for each in rounds]
        known = [value for value in values if value is not None]
        unit = "" if "MB" in name else " s"
        figures = f"{min(known):8.3f}{unit} {max(known):8.3f}{unit}" if known else f"{'never':>8}"
        limit = LIMITS.get(name)
        says = ""
        if limit is not None:
            is_met = len(known) == len(values) and min(known) <= limit
            met &= is_met
            says = f"  limit {limit:g}  {'met' if is_met else 'EXCEEDED'}"
        print(f"  {name:32} {figures}{says}", flush=True)
    return met


def compare(logs: Logs, folder: Path, environments: Environments, best: float | None, limit: float) -> None:
    """Print what the other programs take for the one log, beside the seconds that lrtui takes at best."""
    csv = write_csv(folder / "csv" / "lightning_logs" / "version_0", logs.one).parents[2]
    started = environments.start_wandb(folder / "started")
    paths = {"events": logs.one_file.parents[1], "csv": csv}
    if started:
        paths["wandb"] = write_wandb(folder / "wandb", logs.one, started)
    print(f"\nother programs, once each: {logs.one.steps:,} steps whole on the screen, or read")
    for other in OTHERS:
        if not environments.is_installed(other):
            print(f"  {other.name:32} not installed")
            continue
        measured = measure(other, environments, paths[other.reads], logs.one.steps, folder / "home", limit)
        name = f"{other.name} {environments.version(other)}, {other.reads}"
        paint = "" if measured.paint is None else f"  first paint {measured.paint:.2f} s"
        if measured.seconds is None:
            print(f"  {name:40} not within {limit:g} s, {measured.memory:,.0f} MB{paint}", flush=True)
            continue
        ratio = f"  {measured.seconds / best:6.1f} times as long" if best else ""
        print(f"  {name:40} {measured.seconds:8.2f} s {measured.memory:8,.0f} MB{ratio}{paint}", flush=True)


def main() -> int:
    """Measure and print; return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 steps, 30 runs of 1,000, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--presses", type=int, default=40, help="keys pressed in each round")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="folder for the logs, kept and used again")
    parser.add_argument("--install", action="store_true", help="install the other programs")
    parser.add_argument(
        "--environments",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()) / "lrtui-watch-others",
        help="folder of their virtual environments (default: %(default)s)",
    )
    parser.add_argument("--without-others", action="store_true", help="measure lrtui alone")
    parser.add_argument("--limit", type=float, default=200.0, help="seconds after which a program is ended")
    options = parser.parse_args()
    rounds, size = (1, QUICK) if options.quick else (options.rounds, Size())
    environments = Environments(options.environments)
    if options.install:
        for other in OTHERS:
            environments.install(other)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        check_writer(scratch / "check")
        logs = Logs.write(scratch if options.keep is None else options.keep, size)
        one = [watch_one(logs, scratch, options.limit) for _ in range(rounds)]
        title = f"one event file of {size.steps:,} steps, {logs.one_file.stat().st_size / 1e6:.0f} MB"
        met = report(title, one)
        runs = []
        for _ in range(rounds):
            found, some = watch_runs(logs, scratch, options.limit, options.presses)
            ordered = sorted(some)
            found["key to repaint, median"] = statistics.median(ordered)
            found["key to repaint, 99th percentile"] = ordered[int(0.99 * (len(ordered) - 1))]
            runs.append(found)
        met &= report(f"{size.runs} event files of {size.run_steps:,} steps", runs)
        if not options.without_others:
            whole = [each["every point in it"] for each in one]
            best = min((seconds for seconds in whole if seconds is not None), default=None)
            compare(logs, scratch, environments, best, options.limit)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
