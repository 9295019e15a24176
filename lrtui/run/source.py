"""Run sources: where the run list gets the runs that this process does not train, such as a store or a log file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError
from lrtui.run.events import LIVE, Mode, RunStarted, Status
from lrtui.run.spec import RunSpec

if TYPE_CHECKING:
    from lrtui.run.feed import Feed

SOURCES = "lrtui.sources"
"""The entry-point group of run sources. An entry point names a callable that takes the settings shown in the cockpit
(a `RunSpec`) and returns a `RunSource`, or None if there is nothing to show."""


_RACE = re.compile(r"race (\d{1,9})(?: .*)?: .+ seed -?\d+", re.DOTALL)


@lru_cache(4096)
def race_of_name(name: str | None) -> int:
    """Return the number of the race whose runs have such names; 0 if the name is not that of a race's run."""
    match = _RACE.fullmatch(name or "")
    return int(match[1]) if match else 0


@dataclass(frozen=True, slots=True)
class RunId:
    """Identifies a run among the runs of all sources.

    Args:
        source: `RunSource.name`.
        key: id of the run in its source, such as a number or a file name.
    """

    source: str
    key: int | str

    def __str__(self) -> str:
        return f"#{self.key}" if isinstance(self.key, int) else self.key


@dataclass(frozen=True, slots=True)
class RecognizedSeries:
    """A series of a log whose meaning is known.

    Args:
        meaning: "loss", "test_loss", "accuracy", "lr" or "epoch".
        name: name of the series in the log.
        reason: how it was recognized, in a few words.
    """

    meaning: str
    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogDescription:
    """The log that the values of a run are read from.

    Args:
        format: name of its format.
        path: the file or folder.
        recognized: the series whose meaning is known.
        settings: hyperparameters in the log, by name.
    """

    format: str
    path: str
    recognized: tuple[RecognizedSeries, ...] = ()
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as one line of the run list; what a source does not know stays at its default.

    Args:
        created: seconds since 1970, the same in every summary of the run; the list is sorted by it, newest first.
        name: name to show beside the key; left out if it equals the key.
        spec: settings, if they are known; a schedule alone goes into `schedule`.
        epochs: epochs of the whole run; 0 if unknown.
        seconds: training time.
        best_loss: lowest test loss, if the run has no accuracy.
        best_metric: the metric that decides which result is the best, if it is not the accuracy or else the loss.
        best_mode: whether a high or a low value of it is better.
        best_value: its best value.
        lrs: lr of the first parameter group that is not frozen, at evenly spaced steps from the run's first step to its
            newest; empty if unknown. The list draws it as a small curve.
        read_only: why the run takes no commands, as a sentence for the user; empty if it does.
        columns: further values that the list can be filtered by, by name.
        log: the log that its values are read from; None for a run that has other values than those.
    """

    id: RunId
    state: Status = "done"
    name: str | None = None
    created: float = 0.0
    spec: RunSpec | None = None
    schedule: str = ""
    epochs_done: int = 0
    epochs: int = 0
    step: int = 0
    seconds: float = 0.0
    best_accuracy: float | None = None
    best_loss: float | None = None
    best_metric: str | None = None
    best_mode: Mode | None = None
    best_value: float | None = None
    lrs: Sequence[float] = ()
    read_only: str = "This run is read-only."
    columns: Mapping[str, object] = field(default_factory=dict)
    log: LogDescription | None = None

    @property
    def is_live(self) -> bool:
        """Whether the run is still training."""
        return self.state in LIVE

    @property
    def best(self) -> float | None:
        """The best value of the metric that decides, or the best accuracy, or the lowest loss if there is none.

        None before the first test.
        """
        if self.best_metric is not None:
            return self.best_value
        return self.best_loss if self.best_accuracy is None else self.best_accuracy

    @property
    def race(self) -> int:
        """Number of the race that the run belongs to; 0 if it belongs to none."""
        return race_of_name(self.name)

    def value(self, column: str) -> object:
        """Return the value of a column of `lrtui runs list`, by name; None if the source does not know it."""
        if column in self.columns:
            return self.columns[column]
        return self.id.key if column == "id" else getattr(self, column, None)


class RunSource(Protocol):
    """Runs that this process does not train. Subclass it and register it as an entry point:

    ```
    class LossesSource(RunSource):
        name = "/logs/losses.txt"

        def runs(self):
            return [RunSummary(id=RunId(self.name, "losses"), state="running")]

        def feed(self, key):
            return LossesFeed(self.name)

    class LossesFeed:
        # one loss a line; the file grows while the run is training
        def __init__(self, path):
            self._file, self._step, self._started = open(path), 0, False

        def take(self, limit):
            events = []
            if not self._started:
                self._started = True
                events.append(run_started())
            while len(events) < limit and (line := self._file.readline()):
                seq, step = self._step + 1, self._step
                events.append(
                    StepDone(seq=seq, step=step, seconds=0.1 * seq, epoch=1, batch=step, loss=float(line), lrs=(0.01,))
                )
                self._step += 1
            return events

    [project.entry-points."lrtui.sources"]
    losses = "my_package.losses:open_source"      # def open_source(spec): return LossesSource() or None
    ```

    One background thread makes all calls except `send`, about once a second. They may read files, but must not wait for
    new events; `close` should return soon. Any exception is shown in the run list as an error of this source, and the
    call is repeated later.
    """

    name: str
    """Tells the source apart from all others, such as the full path of a file; the same whenever it is opened again."""
    trouble: str = ""
    """Why some of the runs can't be read; empty if all can."""

    def runs(self) -> Sequence[RunSummary]:
        """Return all current runs; return the same object while nothing has changed."""
        ...

    def feed(self, key: int | str) -> Feed:
        """Return a run's events from the first one on; `take` is called again for those that have come since.

        The first event is a `RunStarted` (see `run_started`); `seq` counts up over all events of a run. A `StepDone`
        follows for every step, without gaps: a log of every tenth step counts its own steps.
        """
        ...

    def send(self, key: int | str, command: Command) -> str:
        """Send a command to a run whose summary is not `read_only`; return the result as a sentence.

        Blocks until the run has answered; called in a separate thread.

        Raises:
            LrtuiError: if the command is refused or not answered; says why.
        """
        raise LrtuiError(f"The runs of {self.name} take no commands.")

    def watch(self, notify: Callable[[], None]) -> None:
        """Call `notify`, in any thread, as soon as there is something new, so that it is read sooner than in a second.

        Called once, before `runs`. A source that can't tell does nothing.
        """
        return

    def close(self) -> None:
        """Release what is open; nothing is called afterwards."""
        return


def run_started(
    *,
    total_steps: int | None = None,
    batches_per_epoch: int | None = None,
    spec: RunSpec | None = None,
    group_names: Iterable[str] = ("all",),
    group_lrs: Iterable[float] = (float("nan"),),
) -> RunStarted:
    """Return the first event of a run of which only its logged values are known.

    Args:
        total_steps: steps of the whole run; None if unknown.
        batches_per_epoch: steps per epoch; the whole run if unknown, and 1 if that is unknown as well.
        spec: settings, of a script or a log those that are known; None for those of the run's summary.
        group_lrs: first lr of each parameter group.
    """
    batches_per_epoch = batches_per_epoch or max(1, total_steps or 1)
    epochs = max(1, -(-(total_steps or 1) // batches_per_epoch))
    return RunStarted(
        seq=0,
        step=0,
        seconds=0.0,
        spec=spec or RunSpec(schedule="", epochs=epochs),
        settings_known=spec is not None and not spec.is_attached,
        device="",
        torch_threads=0,
        data={},
        parameter_count=0,
        batches_per_epoch=batches_per_epoch,
        total_steps=total_steps,
        group_names=tuple(group_names),
        group_lrs=tuple(group_lrs),
    )
