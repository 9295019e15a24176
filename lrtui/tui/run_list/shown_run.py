"""What panes know of a run, whoever trains it: this process, another one, or nobody any more."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from lrtui.run.commands import Command
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState


class ShownRun(Protocol):
    """A run of this process, or one of the store."""

    @property
    def number(self) -> int:
        """What it is called."""
        ...

    @property
    def spec(self) -> RunSpec:
        """Its settings."""
        ...

    @property
    def state(self) -> RunState:
        """What its events add up to."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it goes on now."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether it has a place in a store."""
        ...

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store that keeps it; None where nothing does."""
        ...

    def send(self, command: Command, /) -> object:
        """Leave a command for it; returns at once."""
        ...
