"""Where a run goes on from, and with what changes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrtui.run.commands import Command


@dataclass(frozen=True, slots=True)
class Origin:
    """A checkpoint that a run goes on from: the same run, or a branch of it.

    Args:
        checkpoint: the file.
        replay: lines, as `--at` takes them, of what a person did after the checkpoint in the story that is put aside;
            done again at their steps, after the script's own lines of the same moment.
        commands: done at once, before the next step.
        epochs: of the whole run from now on, where it is made longer.
        parent: the run that this one branches from; None where it is the same run. A branch has a script of its own,
            the `at` of its settings; a run that goes on has what its checkpoint has left of its script.
    """

    checkpoint: Path
    replay: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    epochs: int | None = None
    parent: str | None = None
