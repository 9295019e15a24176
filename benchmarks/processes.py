"""Compares a run of one process with the same run of several: lr, loss, results, and time of a step.

    python benchmarks/processes.py [--schedule SCHEDULE] [--nproc 2] [--epochs 1] [--train-samples N]
                                   [--test-samples N] [-- OPTIONS]
    python benchmarks/processes.py --test-samples 101 --train-samples 6400     (test samples that can't be halved)

Both are started as a user starts them, `lrtui train SCHEDULE --nproc N --json`, and train the case study one after the
other, the single process with as many threads as there are processes otherwise, with one thread each: the losses of a
single process differ as much with another number of threads, since these round differently. A third turn is a plain
loop under DistributedDataParallel, with as many processes and the same model, in place of whose data it has random
numbers: what a step costs without lrtui.
OPTIONS are further options of `lrtui train`. The limits are printed with what was measured; the exit status is 1 if one
is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

BATCH_SIZE = 64
"""The default of `lrtui train`."""

PLAIN_STEPS = 300

FIRST_BATCHES = 50
LOSS_LIMIT = 1e-4
"""Largest allowed difference of a loss within the first batches, where rounding has not added up."""

ACCURACY_LIMIT = 0.02
"""Largest allowed difference of the test accuracy at the end: as much as one process with 1 and with 2 threads differs
after 300 steps."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What one of the runs printed."""

    lrs: list[tuple[float, ...]]
    losses: list[float]
    accuracies: list[float]
    step_ms: float


def plain_step_ms(nproc: int) -> float:
    """Return the time of a step of a plain loop under DistributedDataParallel in as many processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(nproc)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [*launcher, __file__, "--plain"]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout)


def plain_loop() -> None:
    """Train as one of several processes; rank 0 prints the time of a step in milliseconds."""
    import torch
    import torch.distributed as dist
    from torch.nn.functional import nll_loss
    from torch.nn.parallel import DistributedDataParallel

    from lrtui.tasks.fashion_mnist import FashionMnist

    dist.init_process_group("gloo")
    size = BATCH_SIZE // dist.get_world_size()
    model = DistributedDataParallel(FashionMnist().model())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs, targets = torch.randn(size, 1, 28, 28), torch.randint(10, (size,))
    ends = []
    for _ in range(PLAIN_STEPS):
        optimizer.zero_grad()
        loss = nll_loss(model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss.item()
        ends.append(time.perf_counter())
    if dist.get_rank() == 0:
        print(step_ms(ends))
    dist.destroy_process_group()


def step_ms(ends: list[float]) -> float:
    """Return the mean time of a step; a test between two epochs is left out."""
    times = [after - before for before, after in pairwise(ends)]
    return 1e3 * statistics.fmean(sorted(times)[: len(times) * 99 // 100])


def trained(nproc: int, threads: int, options: list[str]) -> Trained:
    """Train with this number of processes, and threads of each."""
    command = [sys.executable, "-m", "lrtui", "train", *options, "--nproc", str(nproc), "--json", "--store", "none"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    steps = [event for event in events if event["event"] == "step_done"]
    return Trained(
        lrs=[tuple(step["lrs"]) for step in steps],
        losses=[step["loss"] for step in steps],
        accuracies=[event["accuracy"] for event in events if event["event"] == "eval_done"],
        step_ms=step_ms([step["seconds"] for step in steps]),
    )


def main() -> int:
    """Train twice and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--schedule", default="ExponentialLR(gamma=0.1)")
    parser.add_argument("--nproc", type=int, default=2)
    parser.add_argument("--epochs", default="1")
    parser.add_argument("--train-samples")
    parser.add_argument("--test-samples")
    parser.add_argument("options", nargs="*", help="further options of lrtui train, after --")
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plain:
        plain_loop()
        return 0
    options = [arguments.schedule, "--epochs", arguments.epochs, "--device", "cpu", *arguments.options]
    for name in ("train_samples", "test_samples"):
        if (value := getattr(arguments, name)) is not None:
            options += ["--" + name.replace("_", "-"), value]
    one, several = trained(1, arguments.nproc, options), trained(arguments.nproc, 1, options)
    plain_ms = plain_step_ms(arguments.nproc)
    differences = [abs(a - b) for a, b in zip(one.losses, several.losses, strict=True)]
    first, accuracy = max(differences[:FIRST_BATCHES]), abs(one.accuracies[-1] - several.accuracies[-1])
    print(f"{len(one.losses):,} steps with 1 and with {arguments.nproc} processes")
    print(f"lr: {'equal in every step' if one.lrs == several.lrs else 'DIFFERENT'}")
    print(f"loss: differs by at most {first:.1e} in the first {FIRST_BATCHES} steps (limit {LOSS_LIMIT:g})")
    print(f"loss: differs by at most {max(differences):.1e} in all steps")
    print(f"accuracy: {one.accuracies[-1]:.4f} and {several.accuracies[-1]:.4f} (limit {ACCURACY_LIMIT:g})")
    print(f"time of a step: {one.step_ms:.1f} ms and {several.step_ms:.1f} ms")
    print(
        f"time of a step of the plain loop: {plain_ms:.1f} ms; lrtui's is {several.step_ms / plain_ms:.2f} times that"
    )
    is_equal = one.lrs == several.lrs and first <= LOSS_LIMIT and accuracy <= ACCURACY_LIMIT
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
