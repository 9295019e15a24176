"""A launcher whose workers a test can end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lrtui.distributed.launcher import WorkerProcess
from lrtui.distributed.local_launcher import LocalLauncher


class NotedLauncher(LocalLauncher):
    """Starts workers on this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started: list[WorkerProcess] = []
        """The workers, oldest first."""

    def start(self, *arguments: Any) -> Any:
        self.started.append(super().start(*arguments))
        return self.started[-1]
