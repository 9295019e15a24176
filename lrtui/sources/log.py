"""What a log format implements: finding logs in folders, and reading the values in them. See `docs/watch.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lrtui.run.feed import Feed
    from lrtui.run.minmax_pyramid import Floats


@dataclass(frozen=True, slots=True)
class Points:
    """Values of one series, in the order in which they were written; arrays of equal length.

    Args:
        name: name of the series as in the log, such as "train/loss".
        steps: the step that each value was logged at.
        values: the values, NaN and infinite ones included.
        times: when each was written, in seconds since 1970; NaN if the log does not say.
    """

    name: str
    steps: NDArray[np.int64]
    values: Floats
    times: Floats

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class Restart:
    """The run went back to an earlier step: all earlier values at this step and later ones are superseded."""

    step: int


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What a log says about its run besides series; None where it says nothing.

    Args:
        total_steps: steps of the whole run.
        epochs: epochs of the whole run.
        batches_per_epoch: steps per epoch.
        name: name of the run.
        settings: hyperparameters by name.
        is_finished: whether the run has ended.
        counts_from: the step of the run's first optimizer step: 1 if a step is logged as the number of steps done.
    """

    total_steps: int | None = None
    epochs: int | None = None
    batches_per_epoch: int | None = None
    name: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    is_finished: bool | None = None
    counts_from: int = 0


@dataclass(frozen=True, slots=True)
class LogPart:
    """What was read from a log.

    Args:
        items: values and restarts, in the order in which they were written.
        facts: what the log says by now; None if it has not changed.
        from_start: whether this replaces all that was read before, because the log was rewritten.
        has_more: whether there is more to read now.
    """

    items: Sequence[Points | Restart] = ()
    facts: LogFacts | None = None
    from_start: bool = False
    has_more: bool = False


@dataclass(frozen=True, slots=True)
class FoundLog:
    """The log of one run.

    Args:
        format: name of its format.
        path: the file or folder that identifies the run; no two logs have the same one.
        owns_folders: whether the folders in the one where it was found belong to it, and have no other logs.
    """

    format: str
    path: Path
    owns_folders: bool = False


class LogReader(Protocol):
    """Reads one log from its start, then what is added; used by one thread."""

    @property
    def trouble(self) -> str:
        """What can't be read, as a sentence that names the file and the place in it; empty if everything can."""
        ...

    def has_news(self) -> bool:
        """Return whether `read` may return something new; looks only at the sizes and times of files."""
        ...

    def read(self, seconds: float) -> LogPart:
        """Return what has been written since the last call; after about that many seconds, return what there is.

        Never raises for what is in a file: what can't be read is left out and described in `trouble`.
        """
        ...

    def sample(self) -> LogPart | None:
        """Return values at evenly spread places of a large log, and its last ones, within 0.1 s.

        None if the log is small enough to be read at once, or its format can only be read from the start. A call
        changes nothing: `read` starts at the same place.
        """
        ...

    def close(self) -> None:
        """Release what is open."""
        ...


class LogFormat(Protocol):
    """A format of logs. Subclass it and register the class under the entry-point group `lrtui.log_formats`."""

    name: str
    """Name of the format, such as "tensorboard"."""

    def find(self, folder: Path, names: Sequence[str]) -> Sequence[FoundLog]:
        """Return the logs that files of a folder are.

        Called for every folder: looks at names first, and at the first bytes of a file only if its name is general.

        Args:
            folder: the folder.
            names: names of the files in it.
        """
        ...

    def find_file(self, path: Path) -> Sequence[FoundLog]:
        """Return the logs that a file which the user named is, of which less is asked than of a file in a folder."""
        return self.find(path.parent, [path.name])

    def open(self, log: FoundLog) -> LogReader:
        """Return a reader of one of the logs that `find` returned."""
        ...

    def feed(self, log: FoundLog) -> Feed | None:
        """Return the events of a log that contains lrtui's own; None for all other logs."""
        return None
