"""One training of this process: the only place that wires a thread, a feed, a store and a state together.

Knows neither terminal nor torch: importing it is cheap, and the training thread imports torch when it begins.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.engine.lock import exclusive
from lrtui.engine.time_slice import COMPUTING_SECONDS, ask_for_slices
from lrtui.run.blocks import Story
from lrtui.run.commands import Command, RangeTest
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.run.events import Event, RunFinished, RunStarted
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.range_feed import RangeEnd, RangeFeed
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.training.reporter import Reporter

# the store, and what reads schedules and tasks, take 60 ms to import: the first frame waits for none of it
if TYPE_CHECKING:
    from lrtui.engine.recording import Recording
    from lrtui.engine.resume import ResumePlan
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

    One thread takes its events: by iterating, by `poll`, or by `result`. What it says is kept in a store, unless the
    settings' `store` is "none".

    Args:
        spec: the settings as the user gave them.
        task: what is trained, in place of the one that the settings name.
        number: what it is called where nothing is kept, and has no number in a store.
        resume_plan: the stored run that goes on, or branches, in place of a new one; the settings are then its own.
    """

    def __init__(
        self,
        spec: RunSpec,
        task: Task | None = None,
        *,
        number: int = 1,
        resume_plan: ResumePlan | None = None,
    ) -> None:
        self.number = number
        self.spec = spec if task is None else replace(spec, task=_name_of(task))
        if task is not None:
            from lrtui.tasks.find import checked_task

            checked_task(task, self.spec.task)
        self.unrecorded = ""
        """What could not be kept of it, in words; known when it is over."""
        self._resume_plan = resume_plan
        self._recording: Recording | None = None
        self._trouble = ""
        self._history: Sequence[Story] = ()
        self.state = RunState()
        """What the events taken so far add up to."""
        self.error: LrtuiError | None = None
        """The error of the user's words, data or task that ended the run."""
        self._task = task
        self._range_feeds: list[RangeFeed] = []
        self._feed = LiveFeed()
        self._inbox = Inbox()
        # owned, not a worker tied to a widget: leaving the screen never waits for a batch to end
        self._thread = threading.Thread(target=self._train_and_close, name=f"training-{number}", daemon=True)

    def start(self) -> Run:
        """Begin in a thread of its own; returns at once, with the run itself.

        Raises:
            UsageError: where it was started before; a new Run trains anew.
            LrtuiError: while another run of this process is under way.
        """
        if self._thread.ident is not None:
            raise UsageError("a run is started once; make a new Run")
        with exclusive(self):
            self._find_place()
            self._thread.start()
        return self

    @property
    def title(self) -> str:
        """What it is called in words."""
        return f"run #{self.number}"

    def send(self, command: Command | str) -> bool:
        """Leave a command for the training thread; it is answered by an event.

        Training goes on meanwhile: the settings' `at` is the way to give one at an exact step.

        Returns:
            Whether it will be taken: not where the run is over.

        Args:
            command: an object, or words: `pause`, `lr*0.5`, `CosineAnnealingLR() from current` ...

        Raises:
            NotationError: for words that are no command.
            UsageError: for what is none at all.
        """
        if not isinstance(command, (str, Command)):
            raise UsageError(f"a command is one of lrtui's, or its words, not {type(command).__name__}")
        if isinstance(command, str):
            from lrtui.schedules.command_notation import parse_command

            command = parse_command(command)
        if isinstance(command, RangeTest):
            self._range_feeds.append(command.feed)
        taken = self._inbox.send(command)
        if not taken:
            self._close_range_feeds()
        return taken

    def _close_range_feeds(self) -> None:
        """Tell those who wait for a range test that the run has ended without it."""
        for feed in self._range_feeds:
            feed.close(RangeEnd("failed", LrtuiError(f"{self.title} was over before it could be made")))

    def poll(self, limit: int = EVENTS_A_POLL) -> list[Event]:
        """Fold what the run has said since into its state, and return it."""
        self._fold_history()
        events = self._feed.take(limit)
        self.state.fold(events)
        return events

    def __iter__(self) -> Iterator[Event]:
        """Yield every event as it comes, the state being folded up to it; ends after RunFinished.

        Raises:
            UsageError: where it was never started.
        """
        self._check_started()
        while self.is_live:
            for event in self._feed.take(1):
                self._fold_history()
                self.state.fold([event])
                yield event
            if not len(self._feed):
                self.join(POLL_SECONDS)

    def result(self) -> RunState:
        """Wait for the end, and return what all events add up to.

        Raises:
            LrtuiError: where the run failed; says why. A run that diverged or was stopped has its result.
            UsageError: where it was never started.
        """
        self._check_started()
        for _ in self:
            pass
        if self.state.outcome is not None and self.state.outcome.outcome == "failed":
            raise self.error or LrtuiError(str(self.state.outcome.error))
        return self.state

    def _check_started(self) -> None:
        if self._thread.ident is None:
            raise UsageError("the run was not started: start() begins it")

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread to end, `seconds` at most; return whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_recorded(self) -> bool:
        """Whether the run has a place in a store."""
        return self._recording is not None

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store that keeps it; None where nothing does."""
        return self._recording.store.folder if self._recording is not None else None

    @property
    def is_live(self) -> bool:
        """Whether the run is under way, or has still something to say."""
        return self._thread.is_alive() or len(self._feed) > 0

    def _fold_history(self) -> None:
        if self._history:
            history, self._history = self._history, ()
            self.state.fold(history)

    def _find_place(self) -> None:
        """Find the run its place in the store, and with it its number."""
        from lrtui.engine import recording
        from lrtui.store.location import store_folder

        going_on = self._resume_plan
        folder = going_on.folder if going_on else store_folder(self.spec.store)
        if folder is None:
            return
        if going_on and not going_on.is_branch:
            self._recording = recording.Recording(recording.open_store(folder), going_on.run.id, self._inbox.send)
            self._history = going_on.history
        else:
            try:
                self._recording = recording.begin(folder, self.spec, self._inbox.send, **_descent(going_on))
            except StoreError as error:
                # training goes on: what it says can be read on the screen all the same
                self._trouble = f"nothing of this run is kept: {error}"
                return
        self.number = self._recording.run

    def _train_and_close(self) -> None:
        ask_for_slices(COMPUTING_SECONDS)
        try:
            self._train()
        finally:
            self._close_range_feeds()

    def _train(self) -> None:
        going_on = self._resume_plan
        reporter = Reporter(self._feed, next_seq=going_on.next_seq if going_on else 0)
        early: list[Event] = []
        if self._recording is not None:
            # until the recorder takes them; where nothing is kept they would pile up for the whole run
            self._feed.listener = early.append
        try:
            if self._trouble:
                reporter.notice("store", self._trouble, level="warning")
            reporter.notice("importing", "importing PyTorch")
            import_torch()
            if self._recording is not None:
                self._begin_to_record(self._recording, reporter, early)
            from lrtui.training.train import train
        except LrtuiError as error:  # a checkpoint that is damaged, a store that can't be written any more
            self.error = error
            reporter.say(RunFinished, outcome="failed", error=str(error))
            return
        except Exception as error:  # a broken installation can raise anything, and must be seen
            reporter.say(RunFinished, outcome="failed", error=f"PyTorch can't be imported: {error}")
            return
        self.error = train(self.spec, self._inbox, reporter, self._task, **self._ways_to_go_on())
        if self._recording is not None:
            self.unrecorded = self._recording.finish()

    def _begin_to_record(self, place: Recording, reporter: Reporter, early: list[Event]) -> None:
        def tell(words: str) -> None:
            reporter.notice("store", words, level="warning")

        def record(publish: Callable[[Event], None]) -> None:
            for event in early:
                publish(event)
            self._feed.listener = publish

        def wait_for_start(event: Event) -> None:
            early.append(event)
            if isinstance(event, RunStarted) and going_on is not None:
                # only now: a resume that is refused puts nothing of the run's story aside
                record(place.record_again(going_on.file.step, going_on.file.seq, tell))

        going_on = self._resume_plan
        if going_on and not going_on.is_branch:
            self._feed.listener = wait_for_start
        else:
            record(place.record(tell))
            place.note_commit()

    def _ways_to_go_on(self) -> dict[str, Any]:
        """Return where the run saves its checkpoints, and where it begins."""
        from lrtui.training.checkpoint.files import ResumePoint
        from lrtui.training.checkpoint.policy import Checkpoints

        ways: dict[str, Any] = {}
        if self._recording is not None:
            ways["checkpoints"] = Checkpoints(
                self._recording.checkpoints,
                every_seconds=self.spec.checkpoint_seconds,
                commit=self._recording.commit,
                keep=self._recording.starting_points,
            )
        if going_on := self._resume_plan:
            ways["resume_point"] = ResumePoint(
                checkpoint=going_on.file.path,
                replay=going_on.replay,
                commands=going_on.commands,
                epochs=going_on.epochs,
                parent=str(going_on.run.id) if going_on.is_branch else None,
            )
        return ways


def _descent(branch: ResumePlan | None) -> dict[str, Any]:
    """Return what a new run's row says of the run that it branches from."""
    if branch is None:
        return {}
    return {"parent": branch.run.id, "first_step": branch.file.step, "branched_from": branch.file.path.name}


def _name_of(task: Task) -> str:
    kind = task if isinstance(task, type) else type(task)
    return f"{kind.__module__}:{kind.__qualname__}"
