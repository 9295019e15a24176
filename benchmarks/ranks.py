"""Measures what the exchange between the ranks of an attached script costs a step, with 2 processes on a CPU.

    python benchmarks/ranks.py [--steps 2000]

Each step waits a millisecond and makes one all_reduce, as DistributedDataParallel does. Steps with and without the
exchange alternate; what it costs is the difference of the medians. Its two calls are timed by themselves as well.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

WORK_SECONDS = 0.001
"""Pause in each step, in place of its work."""


def median_us(times: list[float]) -> float:
    """Return the median in microseconds, without the first tenth of the times."""
    return statistics.median(times[len(times) // 10 :]) * 1e6


def measure(rank: int, store: str, steps: int) -> None:
    """Take the steps of a rank, and print the costs in rank 0."""
    import torch
    import torch.distributed as dist

    from lrtui.attached.ranks import Ranks

    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, 2), rank=rank, world_size=2)
    ranks = Ranks.of_process()
    assert ranks is not None
    assert not ranks.problem
    gradients = torch.ones(1000)
    began, finished = [], []
    whole: dict[bool, list[float]] = {False: [], True: []}
    for step in range(2 * steps):
        is_exchanged = step % 2 == 1
        before = time.perf_counter()
        if is_exchanged:
            ranks.begin([0.1, 0.01], has_command=False)
            began.append(time.perf_counter() - before)
        time.sleep(WORK_SECONDS)
        dist.all_reduce(gradients)
        if is_exchanged:
            computed = time.perf_counter()
            ranks.finish()
            finished.append(time.perf_counter() - computed)
        whole[is_exchanged].append(time.perf_counter() - before)
    ranks.leave()
    dist.destroy_process_group()
    if rank == 0:
        print(f"begin  {median_us(began):6.1f} us")
        print(f"finish {median_us(finished):6.1f} us")
        print(f"step   {median_us(whole[True]) - median_us(whole[False]):6.1f} us more than without")


def main() -> None:
    """Start the processes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=2000, help="steps with the exchange (default: 2000)")
    arguments = parser.parse_args()
    import torch.multiprocessing

    with tempfile.TemporaryDirectory() as folder:
        store = str(Path(folder) / "store")
        torch.multiprocessing.spawn(measure, args=(store, arguments.steps), nprocs=2)


if __name__ == "__main__":
    main()
