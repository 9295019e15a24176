"""Times `lrtui preview` of 100,000 batches, with torch loaded, beside the same scheduler stepped in a bare loop.

    python benchmarks/preview.py [--epochs 100] [--batches-per-epoch 1000] [--times 3]

For every scheduler of the catalogue, with the arguments of its example, stepped per batch (ReduceLROnPlateau per
epoch): seconds of the whole command with `--json` (parse, fill in, build, step, print every lr), seconds of a loop that
only calls `scheduler.step()` as often, and their ratio. The limit is 1.5 s.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

LIMIT = 1.5
"""Seconds, for 100,000 batches."""


def timed(times: int, work: Callable[[], object]) -> float:
    """Return the median seconds of the work."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batches-per-epoch", type=int, default=1000)
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()

    import torch  # noqa: F401 - what is timed comes after it

    from lrtui.__main__ import main as lrtui
    from lrtui.schedules.build import build, build_tiny_optimizer
    from lrtui.schedules.catalogue import CATALOGUE
    from lrtui.schedules.horizon import Horizon
    from lrtui.schedules.notation import parse_optimizer, parse_schedule

    horizon = Horizon(options.epochs, options.batches_per_epoch)
    size = ["--epochs", str(options.epochs), "--batches-per-epoch", str(options.batches_per_epoch)]

    def preview(notation: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            status = lrtui(["preview", notation, "--json", *size])
        assert status == 0, notation

    def bare_loop(notation: str) -> None:
        schedule = parse_schedule(notation)
        optimizer = build_tiny_optimizer(parse_optimizer("Adam(lr=0.01)"))
        scheduler = build(schedule, optimizer, horizon)
        optimizer.step()
        for _ in range(horizon.calls(schedule.per)):
            scheduler.step(*([1.0] if schedule.metric else []))

    print(f"{horizon.total_steps:,} batches; seconds, medians of {options.times}")
    print(f"{'':<30} {'preview':>8} {'bare loop':>10} {'ratio':>6}")
    slowest = 0.0
    for entry in CATALOGUE.values():
        schedule = parse_schedule(entry.example)
        if schedule.metric is None:
            schedule = replace(schedule, per="batch", per_given=True)
        notation = str(schedule)
        taken, bare = (timed(options.times, partial(work, notation)) for work in (preview, bare_loop))
        slowest = max(slowest, taken)
        print(f"{entry.name:<30} {taken:>8.2f} {bare:>10.2f} {taken / bare:>6.1f}   per {schedule.per}")
    print(f"slowest {slowest:.2f} s, limit {LIMIT} s")


if __name__ == "__main__":
    main()
