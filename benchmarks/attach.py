"""Measures what `lrtui.attach` costs a training step, beside other loggers in the same run.

    python benchmarks/attach.py [--steps 4000] [--python PYTHON]

The step of an attached optimizer alternates with that of a plain one of the same kind; the cost is the difference of
the two medians. A log call is timed by itself, and the same numbers (loss and lr) are logged with wandb (offline),
torch.utils.tensorboard's SummaryWriter and trackio, each in a process of its own, if it is installed for that Python.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIMITS = {"attach, step without a log call": 5.0, "attach, step with a log call": 12.0}
"""Microseconds per step."""

OTHERS = ("wandb", "tensorboard", "trackio")

WIDTH, BATCH = 64, 32
"""Size of the perceptron whose losses and gradients are computed between two steps, as in a training."""


def median_us(times: list[float]) -> float:
    """Return the median in microseconds, without the first tenth of the times."""
    return statistics.median(times[len(times) // 10 :]) * 1e6


def work() -> Callable[[], object]:
    """Return a function that does what a training step does before `optimizer.step()`, in some 0.3 ms."""
    import torch

    torch.set_num_threads(1)
    layers = torch.nn.Sequential(torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, 1))
    inputs = torch.randn(BATCH, WIDTH)

    def compute() -> None:
        layers.zero_grad()
        layers(inputs).square().mean().backward()

    return compute


def model() -> tuple[Any, Any]:
    """Return a small optimizer and a loss."""
    import torch

    parameter = torch.nn.Parameter(torch.zeros(8))
    parameter.grad = torch.ones(8)
    return torch.optim.SGD([parameter], lr=0.1), (parameter.sum() ** 2)


def attach_costs(steps: int, *, with_scheduler: bool) -> dict[str, float]:
    """Return microseconds per step of an attached optimizer beyond those of a plain one."""
    import torch

    import lrtui

    plain, _ = model()
    attached, loss = model()
    schedulers = [torch.optim.lr_scheduler.StepLR(each, 1000) for each in (plain, attached)] if with_scheduler else []
    run = lrtui.attach(attached, schedulers[1] if schedulers else None, epochs=1, batches_per_epoch=steps)
    assert run.number is not None
    plain_times: list[float] = []
    attached_times: list[float] = []
    log_times = []
    pairs = list(zip((plain, attached), (plain_times, attached_times), schedulers or (None, None), strict=True))
    compute = work()
    for _ in range(steps):
        pairs.reverse()
        for optimizer, times, scheduler in pairs:
            compute()
            start = time.perf_counter()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        run.log(loss=loss)
        log_times.append(time.perf_counter() - start)
    run.finish()
    step, log = median_us(attached_times) - median_us(plain_times), median_us(log_times)
    prefix = "attach, scheduler and " if with_scheduler else "attach, "
    return {f"{prefix}step without a log call": step, f"{prefix}step with a log call": step + log}


def other_cost(name: str, steps: int, folder: str) -> dict[str, float]:
    """Return microseconds per log call of another logger."""
    optimizer, loss = model()
    log = logger(name, folder)
    times, compute = [], work()
    for step in range(steps):
        compute()
        optimizer.step()
        start = time.perf_counter()
        log(step, loss.item(), optimizer.param_groups[0]["lr"])
        times.append(time.perf_counter() - start)
    return {name: median_us(times)}


def logger(name: str, folder: str) -> Callable[[int, float, float], object]:
    """Return a function that logs step, loss and lr with another package."""
    if name == "wandb":
        import wandb

        wandb_run = wandb.init(project="benchmark", mode="offline", dir=folder, settings=wandb.Settings(silent=True))
        return lambda step, loss, lr: wandb_run.log({"loss": loss, "lr": lr}, step=step)
    if name == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(folder)

        def add(step: int, loss: float, lr: float) -> None:
            writer.add_scalar("loss", loss, step)
            writer.add_scalar("lr", lr, step)

        return add
    import trackio

    trackio.init(project="benchmark")
    return lambda step, loss, lr: trackio.log({"loss": loss, "lr": lr}, step=step)


def measured(python: str, arguments: list[str], folder: str) -> dict[str, float] | None:
    """Run one measurement in a process of its own; return None if its package is missing or fails."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TRACKIO_DIR": folder,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "LRTUI_STORE": folder,
    }
    done = subprocess.run(
        [python, __file__, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        print(f"{' '.join(arguments)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", file=sys.stderr)
        return None
    found: dict[str, float] = json.loads(lines[-1])
    return found


def main() -> None:
    """Measure, and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--python", default=sys.executable, help="interpreter that has the other loggers")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        if arguments.one in OTHERS:
            print(json.dumps(other_cost(arguments.one, arguments.steps, os.getcwd())))
        else:
            print(json.dumps(attach_costs(arguments.steps, with_scheduler=arguments.one == "scheduler")))
        return
    for one in ("plain", "scheduler", *OTHERS):
        with tempfile.TemporaryDirectory() as folder:
            python = arguments.python if one in OTHERS else sys.executable
            found = measured(python, ["--one", one, "--steps", str(arguments.steps)], folder)
        for name, microseconds in (found or {}).items():
            limit = LIMITS.get(name)
            says = "" if limit is None else f"  limit {limit:g}" + ("" if microseconds <= limit else "  EXCEEDED")
            print(f"{name:45} {microseconds:8.1f} us{says}", flush=True)


if __name__ == "__main__":
    main()
