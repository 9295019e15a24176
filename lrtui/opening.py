"""What the cockpit opens with, as commands ask for it: a command that it shows, or logs that it watches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrtui.run.source import RunSource
    from lrtui.supervisor.process import StartedCommand


@dataclass(frozen=True, slots=True)
class WatchedLogs:
    """Logs that other programs write.

    Args:
        paths: where they are looked for, as the user gave them.
        open: returns their sources; called once, in a thread.
        only: patterns of the metrics that are shown, separated by blanks; empty for all.
    """

    paths: tuple[str, ...]
    open: Callable[[], Sequence[RunSource]]
    only: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """What the cockpit opens with besides the settings of the next run.

    Args:
        starts: whether the next run starts immediately.
        command: a command that runs in the background; its run is on screen first.
        watched: logs that are listed beside the store's runs; the newest one's run is on screen first.
    """

    starts: bool = False
    command: StartedCommand | None = None
    watched: WatchedLogs | None = None
