"""Compares lrtui's range test with torch-lr-finder's on the same model, batches and seed.

    pip install torch-lr-finder
    python benchmarks/range_test.py [--task fashion-mnist] [--optimizer "Adam(lr=0.01)"] [--seeds 3] [--steps 150]

Both use the same lrs and the same batches, in turn, and both are timed with saving and restoring their state. Printed
for each seed: the largest difference between the raw losses of a step, beside the noise from step to step; the lr at
which the loss falls fastest, by lrtui's rule and by torch-lr-finder's `plot(suggest_lr=True)` with the same smoothing
(smooth_f) and with its default; the lr that lrtui suggests; milliseconds per step of each, since they stop at different
steps.

Limits: the curves differ by less than their noise, the steepest points with the same smoothing by less than a factor of
3, and a step of lrtui takes at most 1.05 times as long (median).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_FACTOR, MAX_TIME_RATIO = 3.0, 1.05


@dataclass(frozen=True)
class Result:
    """The result of one range test.

    Args:
        losses: by step, not smoothed.
        seconds: of the whole test.
        steepest: lr at which the loss falls fastest, by its own rule.
        suggested: suggested lr.
    """

    losses: list[float]
    seconds: float
    steepest: float | None
    suggested: float | None


def fresh(spec: Any) -> Any:
    """Return a fresh model, data and optimizer, identical for the same seed."""
    from lrtui.training.run_setup import set_up

    return set_up(spec, lambda _: None)


def by_lrtui(spec: Any, sweep: Any) -> Result:
    """Run lrtui's range test."""
    from lrtui.run.range_curve import RangeCurve
    from lrtui.run.range_feed import RangeFeed
    from lrtui.training.range_test import range_test

    setup, feed, curve = fresh(spec), RangeFeed(), RangeCurve(sweep)
    start = time.perf_counter()
    range_test(setup, sweep, feed)
    for lr, loss in feed.take():
        curve.add(lr, loss)
    found = curve.suggest()
    seconds = time.perf_counter() - start
    assert feed.end is not None
    if feed.end.error is not None:
        raise SystemExit(str(feed.end.error))
    return Result(curve.losses.values.tolist(), seconds, found.lrs["steepest"], found.suggested)


def by_torch_lr_finder(spec: Any, sweep: Any, smooth_f: float) -> Result:
    """Run torch-lr-finder's range test."""
    import matplotlib

    matplotlib.use("Agg")
    from torch_lr_finder import LRFinder, TrainDataLoaderIter

    class SameBatches(TrainDataLoaderIter):
        """Yields the batches that lrtui trains on."""

        def __init__(self, batches: Any) -> None:
            self._iterator = self._endless(batches)

        def _endless(self, batches: Any) -> Iterator[Any]:
            while True:
                yield from batches.shuffled()

        def __next__(self) -> Any:
            return next(self._iterator)

    setup = fresh(spec)
    for group in setup.optimizer.param_groups:
        # it refuses an optimizer that a scheduler was built on
        group.pop("initial_lr", None)
    start = time.perf_counter()
    finder = LRFinder(setup.model, setup.optimizer, setup.task.own.loss, device=setup.device)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        finder.range_test(
            SameBatches(setup.train),
            start_lr=sweep.start,
            end_lr=sweep.end,
            num_iter=sweep.steps,
            smooth_f=smooth_f,
        )
        finder.reset()
        seconds = time.perf_counter() - start
        _, suggested = finder.plot(suggest_lr=True)
    matplotlib.pyplot.close("all")
    return Result(finder.history["loss"], seconds, float(suggested), float(suggested))


def main() -> int:
    """Measure and report; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="fashion-mnist")
    parser.add_argument("--optimizer", default="Adam(lr=0.01)")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--train-samples", type=int, help="training samples to use (default: all)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()

    from lrtui.engine.range_test import NO_SCHEDULE
    from lrtui.run.range_curve import RangeCurve
    from lrtui.run.range_feed import Sweep
    from lrtui.run.spec import RunSpec

    sweep, same, ratios = Sweep(steps=options.steps), True, []
    smooth_f = 2 / (RangeCurve(sweep).span + 1)
    print(f"{options.task}, {options.optimizer}, {sweep.steps} steps from {sweep.start:g} to {sweep.end:g}")
    print("seed  steps        difference  noise    steepest: lrtui's, same smoothing, own  suggested  ms per step")
    for seed in range(options.seeds):
        spec = RunSpec(
            task=options.task,
            optimizer=options.optimizer,
            seed=seed,
            device=options.device,
            train_samples=options.train_samples,
            schedule=NO_SCHEDULE,
        )
        # without smoothing for the curve, with its default smoothing for its suggestion
        raw, own = by_torch_lr_finder(spec, sweep, 0.0), by_torch_lr_finder(spec, sweep, 0.05)
        theirs, mine = by_torch_lr_finder(spec, sweep, smooth_f), by_lrtui(spec, sweep)
        common = min(len(mine.losses), len(raw.losses))
        ours, others = np.array(mine.losses[:common]), np.array(raw.losses[:common])
        difference, noise = float(np.abs(ours - others).max()), float(np.std(np.diff(ours[: common // 2])) / 2**0.5)
        factor = max(mine.steepest / theirs.steepest, theirs.steepest / mine.steepest) if mine.steepest else np.inf
        paces = [1000 * result.seconds / len(result.losses) for result in (mine, theirs)]
        ratios.append(paces[0] / paces[1])
        same &= difference < noise and factor < MAX_FACTOR
        print(
            f"{seed:>4}  {len(mine.losses):>3} and {len(theirs.losses):>3}  {difference:>10.2e}  {noise:<7.3f}"
            f"  {mine.steepest or np.nan:<15.3g} {theirs.steepest:<15.3g} {own.steepest:<9.3g}"
            f"  {mine.suggested or np.nan:<9.3g}  {paces[0]:.2f} and {paces[1]:.2f}",
            flush=True,
        )
    ratio = statistics.median(ratios)
    print(
        f"lrtui first, torch-lr-finder second; a step takes {ratio:.2f} times as long (median), limit {MAX_TIME_RATIO}"
    )
    print(f"the same curve, and steepest within a factor of {MAX_FACTOR:g} of it: {'yes' if same else 'NO'}")
    return 0 if same and ratio <= MAX_TIME_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
