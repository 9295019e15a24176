"""Plans of how to resume or branch a stored run, read from the store before torch is imported."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from lrtui.engine.recording import user_files
from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule
from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.events import ScheduleSwitched
from lrtui.run.feed import FeedItem
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.anchor import check_anchor
from lrtui.schedules.command_notation import parse_command
from lrtui.schedules.forecast import ForecastRequest, request_for_run
from lrtui.schedules.notation import parse_schedule
from lrtui.store.connection import open_for_reading
from lrtui.store.location import store_option
from lrtui.store.reader import (
    StoredRun,
    all_runs,
    checkpoint_folder,
    find_run,
    refuse_live,
    reload,
    stores_event,
    was_interrupted,
)
from lrtui.store.run_rows import next_seq
from lrtui.store.store_feed import StoreFeed, state_at, summarized_state
from lrtui.text.format import counted
from lrtui.training.checkpoint.files import ResumePoint, SavedFile, is_complete, is_intact, own_files, saved_files


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """A stored run that is to be resumed or branched.

    Args:
        folder: folder of the store.
        run: the run as stored.
        file: the checkpoint.
        spec: settings; for a branch, those of the new run.
        history: events up to the checkpoint; empty for a branch.
        next_seq: sequence number of the first event to come.
        replay: commands that the user gave after the checkpoint, with their moments as `--at` takes them.
        commands: carried out before the first step.
        epochs: epochs of the whole run, if it is to be extended.
        is_branch: whether a new run starts from the checkpoint.
        course: the schedule in force to the end of the run, if it is extended or gets another schedule, so that it can
            be checked before anything is trained; None otherwise.
        damaged: the newest checkpoint, if it is left out because it is damaged.
    """

    folder: Path
    run: StoredRun
    file: SavedFile
    spec: RunSpec
    history: tuple[FeedItem, ...] = ()
    next_seq: int = 0
    replay: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    epochs: int | None = None
    is_branch: bool = False
    course: ForecastRequest | None = None
    damaged: SavedFile | None = None

    @property
    def resume_point(self) -> ResumePoint:
        """The checkpoint that training starts from, and the changes made there."""
        return ResumePoint(
            checkpoint=self.file.path,
            replay=self.replay,
            commands=self.commands,
            epochs=self.epochs,
            parent=str(self.run.id) if self.is_branch else None,
            run_uid=self.run.uid,
            store=store_option(self.folder),
        )


def plan_resume(
    folder: Path,
    run: str,
    *,
    schedule: str | None = None,
    lr: float | None = None,
    epochs: int | None = None,
    step: int | None = None,
    nproc: int | None = None,
) -> ResumePlan:
    """Return how a run is resumed.

    Args:
        folder: folder of the store.
        run: id, name or `last`.
        schedule: replaces the run's schedule; may end with `from ANCHOR`.
        lr: lr to start with.
        epochs: new length of the whole run.
        step: resumes from the checkpoint of this step; None for the newest.
        nproc: number of processes that continue it; None for that of its settings.

    Raises:
        UsageError: if the run can't be resumed; says what to do.
        CheckpointError: if it has no checkpoint.
        StoreError: if the store can't be read.
    """
    commands: list[Command] = []
    if schedule is not None:
        command = parse_command(schedule)
        if not isinstance(command, SwitchSchedule):
            raise UsageError(f"--schedule takes a schedule, not {schedule[:40]!r}")
        commands.append(command)
    if lr is not None:
        commands.append(SetLr(lr))
    with closing(open_for_reading(folder)) as connection:
        stored = find_run(connection, run)
        _check_resumable(stored, folder, is_changed=bool(commands), epochs=epochs)
        file, newest_seq = _checkpoint(connection, folder, stored, step)
        history = StoreFeed(connection, stored.id, until=file.seq).take()
        state = summarized_state(connection, stored.id)
        if epochs is not None and state.started is not None and epochs < state.started.spec.epochs:
            raise UsageError(
                f"{stored.title} has {counted(state.started.spec.epochs, 'epoch')} already; --epochs can only extend it"
            )
        return ResumePlan(
            folder,
            stored,
            file,
            _with_processes(stored.spec, nproc),
            course=_changed_course(connection, stored, file, state, commands, epochs),
            history=tuple(history),
            next_seq=1 + max(next_seq(connection, stored.id) - 1, newest_seq),
            # a script's commands are not replayed, since the script itself runs again
            replay=tuple(each.line for each in state.commands if each.seq > file.seq and not each.scripted),
            commands=tuple(commands),
            epochs=epochs,
        )


def plan_offered_resume(folder: Path, run: str, is_usable: Callable[[Path], bool] = is_intact) -> ResumePlan:
    """Return how a run is resumed from its newest usable checkpoint; the plan names a damaged one that is left out.

    Args:
        is_usable: returns whether a checkpoint can be resumed from; the default reads the whole file.

    Raises:
        LrtuiError: as `plan_resume`.
    """
    plan = plan_resume(folder, run)
    if is_usable(plan.file.path):
        return plan
    files = own_files(plan.file.path.parent, plan.run.uid)
    earlier = next((each for each in reversed(files) if each.step < plan.file.step and is_usable(each.path)), None)
    return plan if earlier is None else replace(plan_resume(folder, run, step=earlier.step), damaged=plan.file)


def plan_branch(
    folder: Path, run: str, epoch: int, schedule: str, name: str | None = None, nproc: int | None = None
) -> ResumePlan:
    """Return how a new run branches from an epoch's checkpoint.

    Args:
        run: the parent: id, name or `last`.
        epoch: the branch starts after the end of this epoch.
        schedule: replaces the parent's schedule, may end with `from ANCHOR`; or `lr*X` or `lr=X`, which scale it.
        name: name of the new run.
        nproc: number of processes that train it; None for that of the parent's settings.

    Raises:
        UsageError: for a run of a script, and for an epoch without a checkpoint; names those that have one.
        StoreError: if the store can't be read.
    """
    command = parse_command(schedule)
    if not isinstance(command, (SwitchSchedule, ScaleLr, SetLr)):
        raise UsageError(f"a branch takes a schedule, lr*X or lr=X, not {schedule[:40]!r}")
    with closing(open_for_reading(folder)) as connection:
        parent = find_run(connection, run)
        _check_own(parent)
        state = summarized_state(connection, parent.id)
    started = state.started
    ends = epoch_ends(folder, parent.id, state, parent.uid)
    if started is None or epoch not in ends:
        known = ", ".join(map(str, ends)) or "none yet"
        raise UsageError(f"{parent.title} has no checkpoint from the end of epoch {epoch}; available: epoch {known}")
    if epoch >= started.spec.epochs:
        raise UsageError(f"epoch {epoch} is the last of {parent.title}: there is nothing left to train in a branch")
    file = ends[epoch]
    course = None
    if isinstance(command, SwitchSchedule):
        lrs = state_at(folder, parent.id, file.seq).current_lrs
        check_anchor(parse_schedule(command.schedule), command.anchor, lrs)
        course = _switched_course(request_for_run(state), command, file, lrs)
    switch = next(
        (it for it in reversed(state.changes) if isinstance(it, ScheduleSwitched) and it.seq <= file.seq), None
    )
    if switch is not None and not isinstance(command, SwitchSchedule):
        # the branch would continue with the schedule that the parent started with
        raise UsageError(
            f"{parent.title} was switched to {switch.schedule} before the end of epoch {epoch}: give the branch "
            "a schedule"
        )
    spec = replace(
        _with_processes(started.spec, nproc),
        name=name,
        store=parent.spec.store,
        at=(f"step {file.step}: {command.text}",),
    )
    return ResumePlan(folder, parent, file, spec, commands=(command,), is_branch=True, course=course)


def _with_processes(spec: RunSpec, nproc: int | None) -> RunSpec:
    return spec if nproc is None else replace(spec, nproc=nproc)


def _changed_course(
    connection: sqlite3.Connection,
    run: StoredRun,
    file: SavedFile,
    state: RunState,
    commands: Sequence[Command],
    epochs: int | None,
) -> ForecastRequest | None:
    """Return the schedule in force to the end of a resumed run, if it is extended or switched; else None."""
    switch = next((command for command in commands if isinstance(command, SwitchSchedule)), None)
    request = request_for_run(state)
    if request is None or (epochs is None and switch is None):
        return None
    request = replace(request, epochs=epochs or request.epochs)
    if switch is None:
        return request
    before = summarized_state(connection, run.id, file.seq)
    return _switched_course(request, switch, file, before.current_lrs)


def _switched_course(
    request: ForecastRequest | None, switch: SwitchSchedule, file: SavedFile, lrs: tuple[float, ...]
) -> ForecastRequest | None:
    """Return the request for the schedule that a run is switched to at a checkpoint, where it has these lrs."""
    if request is None:
        return None
    return replace(
        request, schedule=switch.schedule, start_step=file.step, anchor=switch.anchor, current_lrs=lrs, results=()
    )


def epoch_ends(folder: Path, run: int, state: RunState, run_uid: str | None = None) -> dict[int, SavedFile]:
    """Return the run's own checkpoints at the ends of its epochs, by epoch.

    Args:
        state: the run's.
        run_uid: of the run; None to read it from the store.

    Raises:
        StoreError: if the store can't be read.
    """
    if run_uid is None:
        with closing(open_for_reading(folder)) as connection:
            stored = reload(connection, run)
        if stored is None:
            return {}
        run_uid = stored.uid
    # if several have the same step, the newest was saved after the test, at the epoch's end
    at_steps = {file.step: file for file in own_files(checkpoint_folder(folder, run), run_uid)}
    return {done.epoch: at_steps[done.step] for done in state.epochs if done.step in at_steps}


def interrupted_run(folder: Path) -> ResumePlan | None:
    """Return how the newest run of this working directory is resumed, if it was interrupted; else None.

    Raises:
        LrtuiError: if the store or the run can't be read, or there is no checkpoint.
    """
    directory = str(Path.cwd())
    with closing(open_for_reading(folder)) as connection:
        run = next((run for run in all_runs(connection) if run.directory == directory), None)
        if run is None or run.spec.is_attached:
            return None
        if not (run.state == "lost" or (run.state == "stopped" and was_interrupted(connection, run.id))):
            return None
    # at every start: the checksums of a large checkpoint would take seconds, and a resume verifies them anyway
    return plan_offered_resume(folder, str(run.id), is_complete)


def describe_user_files(plan: ResumePlan) -> list[str]:
    """Return a line for each of the user's files that will be executed: path, digest, and whether it changed."""
    lines = []
    for path, digest in user_files(plan.spec).items():
        before = plan.run.versions.get(path)
        changed = "" if before in (None, digest) else f", CHANGED since the run started ({str(before)[:16]})"
        lines.append(f"runs {path}, sha256 {digest[:16]}{changed}")
    return lines


def _check_resumable(run: StoredRun, folder: Path, *, is_changed: bool, epochs: int | None) -> None:
    _check_own(run)
    refuse_live(run, folder)
    if run.state == "done" and epochs is None:
        raise UsageError(f"{run.title} is done; --epochs N extends it")
    if run.state == "diverged" and not is_changed:
        raise UsageError(f"{run.title} diverged and would diverge again: change it with --lr X or --schedule S")


def _check_own(run: StoredRun) -> None:
    if run.spec.is_log:
        raise UsageError(
            f"{run.title} was imported from the log {run.spec.script}: only the program that wrote it has its model "
            "and data"
        )
    if run.spec.is_attached:
        script = run.spec.task.partition(":")[2]
        raise UsageError(
            f"{run.title} is a run of the script {script}, which alone has its model and data: start the script again, "
            "from a checkpoint of its own if it saves any"
        )


def _checkpoint(
    connection: sqlite3.Connection, folder: Path, run: StoredRun, step: int | None
) -> tuple[SavedFile, int]:
    """Return the checkpoint of this step, or the newest whose events are stored, and the `seq` of the newest of all.

    A process that was killed while the store was locked leaves checkpoints that are newer than its stored events. The
    newest of them is returned if there is no other.
    """
    where = checkpoint_folder(folder, run.id)
    files = own_files(where, run.uid)
    if not files:
        other = ": the files there belong to another run" if saved_files(where) else ""
        raise CheckpointError(
            f"{run.title} has no checkpoint: it ended before its first one. Start a new run instead ({where}{other})"
        )
    if step is None:
        stored = (file for file in reversed(files) if stores_event(connection, run.id, file.seq))
        return next(stored, files[-1]), files[-1].seq
    at_step = [file for file in files if file.step == step]
    if not at_step:
        known = ", ".join(dict.fromkeys(str(file.step) for file in files))
        raise UsageError(f"{run.title} has no checkpoint of step {step:,}; available: {known}")
    return at_step[-1], files[-1].seq
