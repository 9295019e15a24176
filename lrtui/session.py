"""The runs of this process: the only place that wires a thread, a feed and a state together.

Knows neither terminal nor torch: importing it is cheap, and the training thread imports torch when it begins.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.run.commands import Command, Stop
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.events import Event, RunFinished
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.command_notation import parse_command
from lrtui.training.reporter import Reporter

if TYPE_CHECKING:
    from lrtui.tasks.task import Task

POLL_SECONDS = 0.01
"""How long an iterator over events may be late."""

EVENTS_A_POLL = 20_000
"""Bounds one poll, so that a burst of tiny steps never keeps the screen waiting."""


def import_torch() -> None:
    """Import torch and put its objects out of the garbage collector's sight.

    The import takes 1.5 s or more and holds the GIL for a quarter of a second at once; it leaves 200,000 objects
    behind, over which every full collection would take 0.1 s.
    """
    import torch  # noqa: F401

    gc.collect()
    gc.freeze()


class Run:
    """One training of this process: started, watched and commanded from any thread but its own.

    ```
    run = Run(RunSpec(schedule="ExponentialLR(gamma=0.1)", epochs=5)).start()
    for event in run:
        if isinstance(event, EvalDone) and event.epoch == 2:
            run.send("OneCycleLR(max_lr=0.003) from base")
    print(run.result().best)
    ```

    One thread takes its events: by iterating, by `poll`, or by `result`.

    Args:
        spec: the settings as the user gave them.
        task: what is trained, in place of the one that the settings name.
        number: counts a session's runs, from 1.
    """

    def __init__(self, spec: RunSpec, task: Task | None = None, *, number: int = 1) -> None:
        self.number = number
        self.spec = spec if task is None else replace(spec, task=_name_of(task))
        self.state = RunState()
        """What the events taken so far add up to."""
        self.error: LrtuiError | None = None
        """The error of the user's words, data or task that ended the run."""
        self._task = task
        self._feed = LiveFeed()
        self._inbox = Inbox()
        # owned, not a worker tied to a widget: leaving the screen never waits for a batch to end
        self._thread = threading.Thread(target=self._train, name=f"training-{number}", daemon=True)

    def start(self) -> Run:
        """Begin in a thread of its own; returns at once, with the run itself.

        Raises:
            UsageError: where it was started before; a new Run trains anew.
        """
        if self._thread.ident is not None:
            raise UsageError("a run is started once; make a new Run")
        self._thread.start()
        return self

    def send(self, command: Command | str) -> None:
        """Leave a command for the training thread; it is answered by an event.

        Args:
            command: an object, or words: `pause`, `lr*0.5`, `CosineAnnealingLR() from current` ...

        Raises:
            NotationError: for words that are no command.
        """
        self._inbox.send(parse_command(command) if isinstance(command, str) else command)

    def poll(self, limit: int = EVENTS_A_POLL) -> list[Event]:
        """Fold what the run has said since into its state, and return it."""
        events = self._feed.take(limit)
        self.state.fold(events)
        return events

    def __iter__(self) -> Iterator[Event]:
        """Yield every event as it comes, the state being folded up to it; ends after RunFinished."""
        while self.is_live:
            for event in self._feed.take(1):
                self.state.fold([event])
                yield event
            if not len(self._feed):
                self.join(POLL_SECONDS)

    def result(self) -> RunState:
        """Wait for the end, and return what all events add up to.

        Raises:
            LrtuiError: where the run failed; says why. A run that diverged or was stopped has its result.
        """
        for _ in self:
            pass
        if self.state.outcome is not None and self.state.outcome.outcome == "failed":
            raise self.error or LrtuiError(str(self.state.outcome.error))
        return self.state

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread to end, `seconds` at most; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_live(self) -> bool:
        """Whether the run is under way, or has still something to say."""
        return self._thread.is_alive() or len(self._feed) > 0

    def _train(self) -> None:
        reporter = Reporter(self._feed)
        reporter.notice("importing", "importing PyTorch")
        try:
            import_torch()
            from lrtui.training.whole_run import train
        except Exception as error:  # a broken installation can raise anything, and must be seen
            reporter.say(RunFinished, outcome="failed", error=f"PyTorch can't be imported: {error}")
            return
        self.error = train(self.spec, self._inbox, reporter, self._task)


def _name_of(task: Task) -> str:
    return f"{type(task).__module__}:{type(task).__qualname__}"


class Session:
    """The runs of this process, in the order they were started; one trains at a time."""

    def __init__(self) -> None:
        self.runs: list[Run] = []

    @property
    def live(self) -> Run | None:
        """The run that is under way, or None."""
        return next((run for run in reversed(self.runs) if run.is_live), None)

    def start(self, spec: RunSpec) -> Run:
        """Start a run and return it.

        Raises:
            LrtuiError: while another run is under way: two would share torch's random state and its threads.
        """
        if self.live is not None:
            raise LrtuiError(f"run #{self.live.number} is under way; stop it first")
        run = Run(spec, number=len(self.runs) + 1)
        self.runs.append(run)
        run.start()
        return run

    def poll(self) -> bool:
        """Fold what all runs have said; return whether there was anything."""
        return any([bool(run.poll()) for run in self.runs])

    def close(self, seconds: float) -> bool:
        """Stop what is under way and wait `seconds` at most; return whether no training thread is left.

        A thread that is left is inside torch: ending the interpreter under it would abort the process, so the
        caller leaves by `os._exit`.
        """
        run = self.live
        if run is None:
            return True
        run.send(Stop())
        return run.join(seconds)
