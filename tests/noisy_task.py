"""A task whose code writes to the terminal, as C libraries, data workers and Python code do."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import torch
from tiny_task import Tiny
from torch.utils.data import DataLoader, Dataset


class Noisy(Dataset[Any]):
    def __init__(self, task: Tiny) -> None:
        self._task = task

    def __len__(self) -> int:
        return len(self._task.inputs)

    def __getitem__(self, index: int) -> Any:
        os.write(2, b"from a worker\n")
        return self._task.inputs[index], self._task.targets[index]


class Talks(Tiny):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        os.write(1, b"to descriptor 1\n")
        os.write(2, b"\x1b[31m10 %\r20 %\rto descriptor 2\x1b[0m\n")
        print("from Python")
        return super().loss(outputs, targets)


class NoisyTask(Talks):
    def training_data(self) -> Any:
        return DataLoader(Noisy(self), batch_size=16, num_workers=1)


class LeavesAProcess(Tiny):
    """Starts a process that writes to standard output when the cockpit has ended."""

    def model(self) -> torch.nn.Module:
        script = 'while kill -0 $0 2>/dev/null; do sleep 0.1; done; echo late; echo late >&2; touch "$1"'
        subprocess.Popen(["sh", "-c", script, str(os.getpid()), os.environ["LATE_FILE"]], start_new_session=True)
        return super().model()


class Aborts(Tiny):
    """Ends as a failed assertion in native code does."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        os.write(2, b"assertion failed\n")
        os.abort()


class Crashes(Tiny):
    def model(self) -> torch.nn.Module:
        os.write(2, b"before the crash\n")
        return super().model()
