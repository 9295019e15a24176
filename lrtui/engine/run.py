"""A training run of this process: started, watched and commanded from another thread.

Imports neither Textual nor torch: importing it is cheap, and the training thread imports torch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lrtui.distributed.torchrun import torchrun_rank
from lrtui.engine.event_reader import EVENTS_A_POLL, EventReader
from lrtui.engine.interpreter_exit import stop_at_exit
from lrtui.engine.lock import exclusive
from lrtui.engine.training_thread import TrainingThread
from lrtui.run.arguments import check_argument
from lrtui.run.commands import Command, Stop
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.events import Event
from lrtui.run.source import RunId
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

# the store, schedules and tasks take 60 ms to import, which the first frame does not wait for
if TYPE_CHECKING:
    from torch import nn

    from lrtui.distributed.launcher import Launcher
    from lrtui.engine.resume import ResumePlan
    from lrtui.engine.run_reference import RunReference, Store
    from lrtui.tasks.task import Task

START_SECONDS = 60.0
"""Seconds that a run waits at its start for a store that is locked or slow; after that it is not recorded."""


class Run:
    """A training run of this process: started, watched and commanded from another thread.

    ```
    with Run(RunSpec(schedule="ExponentialLR(gamma=0.1)", epochs=5)) as run:
        for event in run:
            if isinstance(event, EvalDone) and event.epoch == 2:
                run.send("OneCycleLR(max_lr=0.003) from base")
        print(run.result().best)
    ```

    One thread takes its events: by iterating, also with `async for`, by `poll`, or by `result`. Ctrl-C while it waits
    does not end the run, which can be waited for again. The run is recorded in a store unless the settings' `store` is
    "none". If the script ends before the run, the run is stopped and saved.

    Args:
        spec: settings as the user gave them.
        task: what is trained, instead of the task that the settings name.
        number: number of the run if it is not recorded; a store gives it another one.
        resume_plan: the stored run to resume or branch from, instead of a new run; `spec` is then the plan's.
        launcher: starts the process that trains the run, here or on another machine; several such runs may be in
            progress at once. Without one the run is trained in a thread of this process, or, if the settings' `nproc`
            is above 1, in processes of this machine.
    """

    def __init__(
        self,
        spec: RunSpec,
        task: Task | None = None,
        *,
        number: int = 1,
        resume_plan: ResumePlan | None = None,
        launcher: Launcher | None = None,
    ) -> None:
        check_argument("Run", "spec", spec, RunSpec, 'a RunSpec, such as RunSpec(schedule="StepLR(3)")')
        check_argument("Run", "number", number, int, "a whole number")
        if task is not None:
            from lrtui.tasks.registry import checked_task, task_notation

            spec = replace(spec, task=task_notation(task))
            checked_task(task, spec.task)
        if (rank := torchrun_rank()) is not None:
            spec = replace(spec, nproc=rank.world_size)
        self.spec = spec
        self.state = RunState()
        """The fold of the events taken so far."""
        self._task = task
        self._is_elsewhere = launcher is not None or (spec.nproc > 1 and rank is None)
        self._thread = self._new_thread(number, resume_plan, launcher)
        self._events = EventReader(self._thread, self.state)

    def _new_thread(self, number: int, resume_plan: ResumePlan | None, launcher: Launcher | None) -> TrainingThread:
        if not self._is_elsewhere:
            return TrainingThread(number, self.spec, self._task, resume_plan)
        if self._task is not None:
            raise UsageError(
                "a task that is passed as an object can't be trained in another process: name it in the settings, "
                "RunSpec(task='FILE.py:Name')"
            )
        from lrtui.engine.worker_thread import WorkerThread

        return WorkerThread(number, self.spec, resume_plan, launcher)

    @classmethod
    def resume(
        cls,
        run: RunReference = "last",
        *,
        store: Store = None,
        task: Task | None = None,
        schedule: str | None = None,
        lr: float | None = None,
        epochs: int | None = None,
        step: int | None = None,
        nproc: int | None = None,
        launcher: Launcher | None = None,
    ) -> Run:
        """Return a stored run that continues from its last checkpoint, as `lrtui resume` does; it is not started yet.

        Args:
            run: its id, its name, "last", a Run that has ended, or the folder of a store, for its last run.
            store: folder of the store; None for the one that new runs are recorded in.
            task: what is trained; needed if the class of the task can't be imported by its name.
            schedule: replaces the run's schedule; may end with `from base`, `from current` or `from start`.
            lr: lr to start with; the rest of the schedule is scaled with it.
            epochs: new length of the whole run.
            step: resumes from the checkpoint of this step instead of the newest.
            nproc: number of processes that continue it; None for that of its settings.
            launcher: as for `Run`.

        Raises:
            LrtuiError: if the run can't be resumed; says what to do.
        """
        from lrtui.engine.run_reference import plan_of_resume

        plan = plan_of_resume(run, store, schedule=schedule, lr=lr, epochs=epochs, step=step, nproc=nproc)
        return cls(plan.spec, task or getattr(run, "_task", None), resume_plan=plan, launcher=launcher)

    @classmethod
    def branch(
        cls,
        run: RunReference = "last",
        *,
        epoch: int,
        schedule: str,
        name: str | None = None,
        store: Store = None,
        task: Task | None = None,
        nproc: int | None = None,
        launcher: Launcher | None = None,
    ) -> Run:
        """Return a new run that starts from the end of a stored run's epoch, as `lrtui branch`; it is not started yet.

        Args:
            run: the parent, as for `resume`.
            epoch: the branch starts after the end of this epoch.
            schedule: replaces the parent's schedule, may end with `from ANCHOR`; or `lr*X` or `lr=X`.
            name: name of the new run.
            store: as for `resume`.
            task: as for `resume`.
            nproc: number of processes that train it; None for that of the parent's settings.
            launcher: as for `Run`.

        Raises:
            LrtuiError: for an epoch without a checkpoint; names those that have one.
        """
        from lrtui.engine.run_reference import plan_of_branch

        plan = plan_of_branch(run, store, epoch=epoch, schedule=schedule, name=name, nproc=nproc)
        return cls(plan.spec, task or getattr(run, "_task", None), resume_plan=plan, launcher=launcher)

    def start(self, store_seconds: float = START_SECONDS) -> Run:
        """Start training in a thread, and return the run immediately.

        Args:
            store_seconds: how long to wait for a store that another process keeps locked; after that the run is not
                recorded.

        Raises:
            UsageError: if it was started before.
            LrtuiError: while another run is trained by a thread of this process, or if no thread can be started.
        """
        check_argument("Run.start", "store_seconds", store_seconds, (int, float), "a number")
        if self._thread.was_started:
            raise UsageError("this run has already been started; create a new Run")
        if self._is_elsewhere:
            stop_at_exit(self._thread)
        with nullcontext() if self._is_elsewhere else exclusive(self._thread):
            self._thread.open_recording(store_seconds)
            self._thread.start()
        return self

    def __enter__(self) -> Run:
        """Start the run if it was not started."""
        return self if self._thread.was_started else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop the run if it has not ended, and wait until it is saved."""
        self.stop("" if kind is None else f"{kind.__name__} in the script")

    @property
    def number(self) -> int:
        """The run's number, which is its id in the store."""
        return self._thread.number

    @property
    def title(self) -> str:
        """The run's name in messages."""
        return self._thread.title

    @property
    def id(self) -> RunId:
        """The run's id among those of all sources."""
        return RunId(str(self.store_folder or ""), self.number)

    @property
    def error(self) -> LrtuiError | None:
        """The error in the settings, the data or the task that ended the run."""
        return self._thread.error

    @property
    def worker_lost(self) -> bool:
        """Whether the run ended because the process that trained it did, or its machine was lost."""
        return self._thread.worker_lost

    @property
    def recording_error(self) -> str:
        """What could not be recorded, as a message; set when the run is over."""
        return self._thread.recording_error

    @property
    def ended_at(self) -> float | None:
        """When training ended, by `time.monotonic`, while the last events are being stored; None at other times."""
        return self._thread.ended_at

    @property
    def has_begun(self) -> bool:
        """Whether its RunStarted has been taken; a resume that is refused has none of its own."""
        return self._events.has_begun

    @property
    def model(self) -> nn.Module:
        """The model that is trained, on its device.

        After the run it is the caller's, with the weights of the last step. During the run the training thread changes
        it at any moment: read it within `between_steps()`.

        Raises:
            UsageError: before it is built, and if it is trained in another process.
        """
        return self._thread.own_model()

    @contextmanager
    def between_steps(self) -> Iterator[nn.Module]:
        """Let the run wait between two steps within the block, and return its model.

        The model does not change meanwhile, and what the block draws from the global random generators does not change
        the run, nor the run what it draws. The block must leave the model as it is.

        Raises:
            UsageError: if the run was not started, ended before it had a model, or is trained in another process.
        """
        self._check_started()
        with self._thread.held():
            yield self.model

    def send(self, command: Command | str) -> bool:
        """Send a command to the training thread; an event answers it.

        Training does not wait for the command: use the settings' `at` for a command at an exact step.

        Args:
            command: an object, or its text: `pause`, `lr*0.5`, `CosineAnnealingLR() from current` ...

        Returns:
            False if the run is over.

        Raises:
            NotationError: if the text is no command.
            UsageError: if it is neither a command nor text.
        """
        check_argument("Run.send", "command", command, (str, Command), 'a command or its text, such as "lr*0.5"')
        if isinstance(command, str):
            from lrtui.schedules.command_notation import parse_command

            command = parse_command(command)
        return self._thread.send(command)

    def poll(self, limit: int = EVENTS_A_POLL) -> list[Event]:
        """Fold the events that have come since the last call into the state, and return them."""
        check_argument("Run.poll", "limit", limit, int, "a whole number")
        return self._events.poll(limit)

    def update(self) -> None:
        """Fold the events that have come since the last call into the state, without returning them.

        Several times as fast as `poll` for a run that is trained in another process.
        """
        self._events.fold()

    def __iter__(self) -> Iterator[Event]:
        """Yield every event as it arrives, after folding it into the state; ends after RunFinished."""
        self._check_started()
        return iter(self._events)

    def __aiter__(self) -> AsyncIterator[Event]:
        """Yield every event, as an iteration without `async` does; other tasks of the event loop run in between.

        The iteration may be cancelled and started again; the run goes on.
        """
        self._check_started()
        return aiter(self._events)

    def result(self) -> RunState:
        """Wait for the end, and return the final state.

        Raises:
            LrtuiError: if the run failed; says why. The state of a run that diverged or was stopped is returned.
            UsageError: if the run was not started.
        """
        self._check_started()
        self._events.take_all()
        if self.state.outcome is not None and self.state.outcome.outcome == "failed":
            raise self.error or LrtuiError(str(self.state.outcome.error))
        return self.state

    def stop(self, because: str = "") -> RunState:
        """Stop after the current step, wait until the run is saved, and return its final state; says why it ends."""
        self.send(Stop(because))
        self._events.take_all()
        return self.state

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread to end, at most `seconds`; return whether it has ended."""
        return self._thread.join(seconds)

    @property
    def is_recorded(self) -> bool:
        """Whether the run is recorded in a store."""
        return self._thread.recording is not None

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store that records it; None if nothing does."""
        recording = self._thread.recording
        return recording.folder if recording is not None else None

    @property
    def has_checkpoint(self) -> bool:
        """Whether its store has a checkpoint that it can be resumed from."""
        from lrtui.store.reader import has_checkpoint

        return (folder := self.store_folder) is not None and has_checkpoint(folder, self.number)

    @property
    def is_live(self) -> bool:
        """Whether the run is training, or has events that were not taken."""
        return self._events.has_more

    def _check_started(self) -> None:
        if not self._thread.was_started:
            raise UsageError("the run was not started: call start() first")
