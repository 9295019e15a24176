"""Times an epoch of the case study: the tutorial's loop, and lrtui in fp32 and bf16, in turn.

    python benchmarks/tutorial.py [--epochs 3] [--seeds 3]
    python benchmarks/tutorial.py --train-samples 6000 --seeds 4        (short turns: times on a busy machine)

Each of the three runs in its own process, and they alternate by epoch: two wait while one trains. An epoch includes
training, test and the step of the schedule, but not imports and loading. A ratio is the median, over all epochs of all
seeds, of lrtui's time to the tutorial's in the same round, so that other load on the machine matters little.

At the tutorial's lr of 0.01 the accuracy of this network varies by a point or more between seeds. Accuracies are
therefore means over the seeds 0, 1, 2 ..., with the standard error of their difference to the tutorial; with a part of
the data they mean nothing.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

LIMITS = {"tutorial": 1.0, "lrtui fp32": 0.75, "lrtui bf16": 0.55}
"""What is timed, and the largest allowed ratio to the tutorial's time."""

TEST_SHARE = 6
"""Ratio of training to test samples, as in the whole data set."""

ACCURACY_LIMIT = 0.01
"""Largest allowed difference of the mean test accuracy after the last epoch."""

Run = dict[str, list["Epoch"]]
"""The epochs of each of the three for one seed."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Time and accuracy of one epoch."""

    seconds: float
    cpu_seconds: float
    accuracy: float


def tutorial_epochs(folder: Path, epochs: int, seed: int, samples: int) -> Iterator[Epoch]:
    """Train by the tutorial's loop: torchvision's data set and transforms, a DataLoader, nothing tuned.

    It tests in batches of 1,000, the faster of the variants in circulation.
    """
    import torch
    from torch import nn, optim
    from torch.nn import functional
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 32, 3)
            self.conv2 = nn.Conv2d(32, 64, 3)
            self.dropout1 = nn.Dropout(0.25)
            self.dropout2 = nn.Dropout(0.5)
            self.fc1 = nn.Linear(9216, 128)
            self.fc2 = nn.Linear(128, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = functional.relu(self.conv1(x))
            x = functional.relu(self.conv2(x))
            x = self.dropout1(functional.max_pool2d(x, 2))
            x = functional.relu(self.fc1(torch.flatten(x, 1)))
            return functional.log_softmax(self.fc2(self.dropout2(x)), dim=1)

    torch.manual_seed(seed)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    whole_train = datasets.FashionMNIST(folder, train=True, transform=transform)
    whole_test = datasets.FashionMNIST(folder, train=False, transform=transform)
    train_data = Subset(whole_train, range(min(samples, len(whole_train))))
    test_data = Subset(whole_test, range(min(samples // TEST_SHARE, len(whole_test))))
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_data, batch_size=1000)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1)

    for epoch in range(1, epochs + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        model.train()
        for batch, (inputs, targets) in enumerate(train_loader):
            optimizer.zero_grad()
            loss = functional.nll_loss(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if batch % 100 == 0:
                lr = optimizer.param_groups[0]["lr"]
                print(
                    f"Train Epoch: {epoch} batch-{batch}\tLoss: {loss.item():.6f} Learning Rate: {lr}", file=sys.stderr
                )
        model.eval()
        test_loss, correct = 0.0, 0
        with torch.no_grad():
            for inputs, targets in test_loader:
                outputs = model(inputs)
                test_loss += functional.nll_loss(outputs, targets, reduction="sum").item()
                correct += int((outputs.argmax(dim=1) == targets).sum().item())
        accuracy = correct / len(test_data)
        print(
            f"\nTest set: Average loss: {test_loss / len(test_data):.4f}, Accuracy: {accuracy:.4f}\n", file=sys.stderr
        )
        scheduler.step()
        yield Epoch(time.perf_counter() - start, time.process_time() - cpu_start, accuracy)


def lrtui_epochs(folder: Path, epochs: int, seed: int, samples: int, precision: str) -> Iterator[Epoch]:
    """Train as `lrtui train` does, pausing the run between epochs; its clock excludes pauses."""
    from lrtui.cli.printer import Printer
    from lrtui.engine.session import Session
    from lrtui.run.commands import Pause, Resume
    from lrtui.run.events import EpochDone, EvalDone, Paused, RunFinished, RunStarted
    from lrtui.run.spec import RunSpec

    spec = RunSpec(
        epochs=epochs,
        seed=seed,
        precision=precision,
        data_dir=str(folder),
        device="cpu",
        train_samples=samples,
        test_samples=samples // TEST_SHARE,
    )
    printer = Printer(as_json=False, quiet=False, log_interval=spec.log_interval, out=sys.stderr)
    run = Session().start(spec)
    start = cpu_start = accuracy = 0.0
    done: Epoch | None = None
    while run.is_live:
        run.join(0.02)
        for event in run.poll():
            printer.print(event)
            match event:
                case RunStarted():
                    start, cpu_start = event.seconds, time.process_time()
                case EvalDone():
                    accuracy = event.accuracy or 0.0
                case EpochDone():
                    done = Epoch(event.seconds - start, time.process_time() - cpu_start, accuracy)
                    start, cpu_start = event.seconds, time.process_time()
                    run.send(Pause())
                case Paused() if done:
                    yield done
                    run.send(Resume())
                case RunFinished(outcome="done") if done:
                    yield done
                case RunFinished():
                    raise SystemExit(f"the run ended: {event.outcome} {event.error or ''}")


def take_turns(kind: str, folder: Path, epochs: int, seed: int, samples: int) -> None:
    """Train one of the three; print each epoch, and wait for a line of input before the next."""
    if kind == "tutorial":
        turns = tutorial_epochs(folder, epochs, seed, samples)
    else:
        turns = lrtui_epochs(folder, epochs, seed, samples, kind.rpartition(" ")[2])
    for _ in range(epochs):
        sys.stdin.readline()
        print(json.dumps(asdict(next(turns))), flush=True)


def lay_out_data(folder: Path) -> str:
    """Put Fashion-MNIST where lrtui and torchvision both find it; return a description of it."""
    from lrtui.tasks.fashion_mnist import FASHION_MNIST, NAMES

    found = FASHION_MNIST.find(None, lambda text: print(text, file=sys.stderr))
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        content = (Path(found.where) / name).read_bytes()
        (raw / name).write_bytes(content)
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    train_images, _, test_images, _ = found.content
    return f"{found.source} ({found.where}), {len(train_images):,} + {len(test_images):,} images"


def measure(folder: Path, epochs: int, seed: int, samples: int) -> Run:
    """Return the epochs of each of the three, trained in turn."""
    arguments = ["--folder", str(folder), "--epochs", str(epochs), "--seed", str(seed), "--train-samples", str(samples)]
    children = {
        kind: subprocess.Popen(
            [sys.executable, __file__, "--kind", kind, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for kind in LIMITS
    }
    run: Run = {kind: [] for kind in LIMITS}
    try:
        for epoch in range(1, epochs + 1):
            for kind, child in children.items():
                done = run_one_epoch(child, f"{sys.executable} {__file__} --kind '{kind}' {' '.join(arguments)}")
                run[kind].append(done)
                print(f"seed {seed} epoch {epoch}  {kind:<10}  {done.seconds:6.2f} s  {done.accuracy:.4f}", flush=True)
    finally:
        for child in children.values():
            child.kill()
            child.communicate()
    return run


def run_one_epoch(child: subprocess.Popen[str], command: str) -> Epoch:
    """Let one of the three train for an epoch, and return it."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("next\n")
    child.stdin.flush()
    answer = child.stdout.readline()
    if not answer:
        raise SystemExit(f"a process ended early; to see why, run: yes | {command}")
    return Epoch(**json.loads(answer))


def report(runs: list[Run]) -> bool:
    """Print the table; return whether every limit is met."""
    fast = accurate = True
    print(f"{'':<10}  s/epoch  ratio  CPU ratio  limit  accuracy  difference")
    for kind, limit in LIMITS.items():
        turns = [(mine, theirs) for run in runs for mine, theirs in zip(run[kind], run["tutorial"], strict=True)]
        ratio = statistics.median(mine.seconds / theirs.seconds for mine, theirs in turns)
        cpu_ratio = statistics.median(mine.cpu_seconds / theirs.cpu_seconds for mine, theirs in turns)
        accuracies = [run[kind][-1].accuracy for run in runs]
        differences = [run[kind][-1].accuracy - run["tutorial"][-1].accuracy for run in runs]
        difference = statistics.mean(differences)
        error = f" ± {statistics.stdev(differences) / len(runs) ** 0.5:.4f}" if len(runs) > 1 else ""
        fast &= ratio <= limit
        accurate &= abs(difference) <= ACCURACY_LIMIT
        print(
            f"{kind:<10}  {statistics.median(mine.seconds for mine, _ in turns):7.2f}  {ratio:5.2f}  {cpu_ratio:9.2f}"
            f"  {limit:5.2f}  {statistics.mean(accuracies):8.4f}  {difference:+.4f}{error}"
        )
    print(f"time: {'within' if fast else 'BEYOND'} the limits")
    print(f"accuracy: {'within' if accurate else 'BEYOND'} {ACCURACY_LIMIT} of the tutorial's")
    return fast and accurate


def main() -> int:
    """Measure and report; return 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds, from 0")
    parser.add_argument(
        "--train-samples", type=int, default=60_000, help="training samples; a sixth as many test samples"
    )
    parser.add_argument("--kind", choices=LIMITS, help="train only this one, an epoch per line of input")
    parser.add_argument("--folder", type=Path, help="with --kind: the folder that holds FashionMNIST/raw")
    parser.add_argument("--seed", type=int, default=0, help="with --kind: the seed")
    options = parser.parse_args()
    if options.kind:
        take_turns(options.kind, options.folder, options.epochs, options.seed, options.train_samples)
        return 0
    with tempfile.TemporaryDirectory() as name:
        print(f"data: {lay_out_data(Path(name))}")
        runs = [measure(Path(name), options.epochs, seed, options.train_samples) for seed in range(options.seeds)]
        return 0 if report(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
