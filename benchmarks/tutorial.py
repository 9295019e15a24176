"""Times an epoch of the case study: the tutorial's loop, and lrtui's in fp32 and bf16, in turn.

    python benchmarks/tutorial.py [--epochs 3] [--seed 0]

Each of the three is a process of its own, and they take turns by the epoch: two wait while one trains, so that whatever
else the machine does meets all three alike. An epoch is the training, the test and the schedule's step; importing and
loading are left out. Ratios are of the medians over the epochs. Wall time depends on what else runs, CPU time less so:
both are printed.
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
"""What is timed, and what share of the tutorial's time it may take."""

ACCURACY_LIMIT = 0.01
"""How far lrtui's test accuracy after the last epoch may lie from the tutorial's."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch took and came to."""

    seconds: float
    cpu_seconds: float
    accuracy: float


def tutorial_epochs(folder: Path, epochs: int, seed: int) -> Iterator[Epoch]:
    """Train by the tutorial's loop: torchvision's data set and transforms, a DataLoader, nothing tuned.

    The tutorial's own batches of 1,000 for the test are the faster choice of those in circulation.
    """
    import torch
    from torch import nn, optim
    from torch.nn import functional as F
    from torch.utils.data import DataLoader
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
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = self.dropout1(F.max_pool2d(x, 2))
            x = F.relu(self.fc1(torch.flatten(x, 1)))
            return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)

    torch.manual_seed(seed)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    train_data = datasets.FashionMNIST(folder, train=True, transform=transform)
    test_data = datasets.FashionMNIST(folder, train=False, transform=transform)
    train_loader = DataLoader(train_data, batch_size=64, shuffle=True)
    test_loader = DataLoader(test_data, batch_size=1000)
    model = Net()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.1)

    for epoch in range(1, epochs + 1):
        begun, cpu_begun = time.perf_counter(), time.process_time()
        model.train()
        for batch, (inputs, targets) in enumerate(train_loader):
            optimizer.zero_grad()
            loss = F.nll_loss(model(inputs), targets)
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
                test_loss += F.nll_loss(outputs, targets, reduction="sum").item()
                correct += int((outputs.argmax(dim=1) == targets).sum().item())
        accuracy = correct / len(test_data)
        print(
            f"\nTest set: Average loss: {test_loss / len(test_data):.4f}, Accuracy: {accuracy:.4f}\n", file=sys.stderr
        )
        scheduler.step()
        yield Epoch(time.perf_counter() - begun, time.process_time() - cpu_begun, accuracy)


def lrtui_epochs(folder: Path, epochs: int, seed: int, precision: str) -> Iterator[Epoch]:
    """Train by lrtui as `lrtui train` does, pausing the run between epochs; its clock leaves pauses out."""
    from lrtui.cli.printer import Printer
    from lrtui.run.commands import Pause, Resume
    from lrtui.run.events import EpochDone, EvalDone, Paused, RunFinished, RunStarted
    from lrtui.run.spec import RunSpec
    from lrtui.session import Session

    spec = RunSpec(epochs=epochs, seed=seed, precision=precision, data_dir=str(folder), device="cpu")
    printer = Printer(as_json=False, quiet=False, log_interval=spec.log_interval, out=sys.stderr)
    run = Session().start(spec)
    begun = cpu_begun = accuracy = 0.0
    done: Epoch | None = None
    while run.is_live:
        run.join(0.02)
        for event in run.poll():
            printer.print(event)
            match event:
                case RunStarted():
                    begun, cpu_begun = event.seconds, time.process_time()
                case EvalDone():
                    accuracy = event.accuracy or 0.0
                case EpochDone():
                    done = Epoch(event.seconds - begun, time.process_time() - cpu_begun, accuracy)
                    begun, cpu_begun = event.seconds, time.process_time()
                    run.send(Pause())
                case Paused() if done:
                    yield done
                    run.send(Resume())
                case RunFinished(outcome="done") if done:
                    yield done
                case RunFinished():
                    raise SystemExit(f"the run ended: {event.outcome} {event.error or ''}")


def take_turns(kind: str, folder: Path, epochs: int, seed: int) -> None:
    """Train one of the three; print each epoch's figures, and wait for a line of input before the next."""
    precision = kind.rpartition(" ")[2]
    turns = (
        tutorial_epochs(folder, epochs, seed) if kind == "tutorial" else lrtui_epochs(folder, epochs, seed, precision)
    )
    for _ in range(epochs):
        sys.stdin.readline()
        print(json.dumps(asdict(next(turns))), flush=True)


def lay_out_data(folder: Path) -> str:
    """Put Fashion-MNIST where lrtui and torchvision both find it; return which data it is."""
    from lrtui.tasks.fashion_mnist_files import NAMES, find_files

    found = find_files(None, lambda text: print(text, file=sys.stderr))
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        content = (Path(found.where) / name).read_bytes()
        (raw / name).write_bytes(content)
        (raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    train_images, _, test_images, _ = found.arrays
    return f"{found.source} ({found.where}), {len(train_images):,} + {len(test_images):,} images"


def measure(folder: Path, epochs: int, seed: int) -> dict[str, list[Epoch]]:
    """Return the epochs of each of the three, trained in turn."""
    words = ["--folder", str(folder), "--epochs", str(epochs), "--seed", str(seed)]
    children = {
        kind: subprocess.Popen(
            [sys.executable, __file__, "--kind", kind, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for kind in LIMITS
    }
    measured: dict[str, list[Epoch]] = {kind: [] for kind in LIMITS}
    for epoch in range(1, epochs + 1):
        for kind, child in children.items():
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write("next\n")
            child.stdin.flush()
            answer = child.stdout.readline()
            if not answer:
                raise SystemExit(f"{kind} broke off: {sys.executable} {__file__} --kind '{kind}' {' '.join(words)}")
            done = Epoch(**json.loads(answer))
            measured[kind].append(done)
            print(f"epoch {epoch}  {kind:<10}  {done.seconds:6.2f} s  accuracy {done.accuracy:.4f}", file=sys.stderr)
    for child in children.values():
        child.communicate()
    return measured


def report(measured: dict[str, list[Epoch]]) -> bool:
    """Print the table; return whether every limit is kept."""
    reference = measured["tutorial"]
    seconds = {kind: statistics.median(epoch.seconds for epoch in epochs) for kind, epochs in measured.items()}
    cpu = {kind: statistics.median(epoch.cpu_seconds for epoch in epochs) for kind, epochs in measured.items()}
    kept = True
    print(f"{'':<10}  s/epoch  CPU s  ratio  CPU ratio  limit  accuracy after {len(reference)}")
    for kind, limit in LIMITS.items():
        ratio = seconds[kind] / seconds["tutorial"]
        accuracy = measured[kind][-1].accuracy
        kept &= ratio <= limit and abs(accuracy - reference[-1].accuracy) <= ACCURACY_LIMIT
        print(
            f"{kind:<10}  {seconds[kind]:7.2f}  {cpu[kind]:5.1f}  {ratio:5.2f}  {cpu[kind] / cpu['tutorial']:9.2f}  "
            f"{limit:5.2f}  {accuracy:.4f}"
        )
    print("every limit is kept" if kept else "a limit is missed")
    return kept


def main() -> int:
    """Measure and report; the exit status is 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=LIMITS, help="train this one alone, an epoch for each line of input")
    parser.add_argument("--folder", type=Path, help="with --kind: the folder that holds FashionMNIST/raw")
    words = parser.parse_args()
    if words.kind:
        take_turns(words.kind, words.folder, words.epochs, words.seed)
        return 0
    with tempfile.TemporaryDirectory() as name:
        print(f"data: {lay_out_data(Path(name))}")
        return 0 if report(measure(Path(name), words.epochs, words.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
