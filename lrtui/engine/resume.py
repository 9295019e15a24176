"""Where a stored run goes on, and with what changes: read off the store before torch is imported."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from lrtui.engine.file_digests import user_files
from lrtui.run.blocks import Story
from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule
from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.events import Event, ScheduleSwitched
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.command_notation import parse_command
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import StoredRun, all_runs, checkpoint_folder, find_run, was_interrupted
from lrtui.store.run_rows import next_seq
from lrtui.store.store_feed import StoreFeed
from lrtui.training.checkpoint.files import SavedFile, saved_files


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """A stored run that goes on, or a branch of one.

    Args:
        folder: of the store.
        run: as stored.
        file: the checkpoint it goes on from.
        history: the story up to the checkpoint; a branch has none of its own yet.
        next_seq: of the first event to come.
        replay: lines, as `--at` takes them, of commands that were given live after the checkpoint.
        commands: done at once.
        epochs: of the whole run, where it is made longer.
        spec: settings; a branch's own.
        is_branch: whether it is a new run.
    """

    folder: Path
    run: StoredRun
    file: SavedFile
    spec: RunSpec
    history: tuple[Story, ...] = ()
    next_seq: int = 0
    replay: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    epochs: int | None = None
    is_branch: bool = False


def plan_resume(
    folder: Path, words: str, *, schedule: str | None = None, lr: float | None = None, epochs: int | None = None
) -> ResumePlan:
    """Return how a run goes on.

    Args:
        folder: of the store.
        words: which run.
        schedule: put in its place when it goes on, with `from ANCHOR` if need be.
        lr: set when it goes on.
        epochs: of the whole run, from now on.

    Raises:
        UsageError: for a run that can't go on; says what can be done.
        CheckpointError: where it has no checkpoint.
        StoreError: where the store can't be read.
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
        run = find_run(connection, words)
        _check_can_go_on(run, changed=bool(commands), epochs=epochs)
        file = _newest(folder, run)
        history = StoreFeed(connection, run.id, until=file.seq).take()
        given = _given_live_after(StoreFeed(connection, run.id, in_full=0).take(), file.seq)
        following = next_seq(connection, run.id)
    return ResumePlan(folder, run, file, run.spec, tuple(history), following, given, tuple(commands), epochs)


def plan_branch(folder: Path, words: str, epoch: int, schedule: str, name: str | None = None) -> ResumePlan:
    """Return the new run that branches from an epoch's checkpoint.

    Args:
        epoch: after whose end it begins.
        schedule: put in the place of the parent's, with `from ANCHOR` if need be; or `lr*X` or `lr=X`, with which the
            parent's goes on.
        name: of the new run.

    Raises:
        UsageError: for an epoch that has no checkpoint; names those that have.
        StoreError: where the store can't be read.
    """
    command = parse_command(schedule)
    if not isinstance(command, (SwitchSchedule, ScaleLr, SetLr)):
        raise UsageError(f"a branch takes a schedule, lr*X or lr=X, not {schedule[:40]!r}")
    with closing(open_for_reading(folder)) as connection:
        run = find_run(connection, words)
        state = RunState()
        state.fold(StoreFeed(connection, run.id, in_full=0).take())
    started = state.started
    ends = epoch_ends(folder, run.id, state)
    if started is None or epoch not in ends:
        there = ", ".join(map(str, ends)) or "none yet"
        raise UsageError(f"{run.title} has no checkpoint of the end of epoch {epoch}; it has those of epoch {there}")
    if epoch >= started.spec.epochs:
        raise UsageError(f"epoch {epoch} is the last of {run.title}: nothing comes after it to branch into")
    file = ends[epoch]
    switch = next((it for it in state.changes if isinstance(it, ScheduleSwitched) and it.seq <= file.seq), None)
    if switch is not None and not isinstance(command, SwitchSchedule):
        # a branch's settings tell its schedule, and those of the parent tell another
        raise UsageError(
            f"{run.title} was switched to {switch.schedule} before the end of epoch {epoch}: give the branch a "
            f"schedule of its own"
        )
    spec = replace(started.spec, name=name, store=run.spec.store, at=(f"step {file.step}: {command.text}",))
    return ResumePlan(folder, run, file, spec, commands=(command,), is_branch=True)


def epoch_ends(folder: Path, run: int, state: RunState) -> dict[int, SavedFile]:
    """Return the checkpoints of the run's epochs' ends, by epoch.

    Args:
        state: the run's.
    """
    # the newest at a step is the one of the epoch's end, the test being over
    at_steps = {file.step: file for file in saved_files(checkpoint_folder(folder, run))}
    return {done.epoch: at_steps[done.step] for done in state.epochs if done.step in at_steps}


def state_at(folder: Path, run: int, seq: int) -> RunState:
    """Return a stored run's state as it was when it had told the event of that number.

    Raises:
        StoreError: where the store can't be read.
    """
    state = RunState()
    with closing(open_for_reading(folder)) as connection:
        state.fold(StoreFeed(connection, run, until=seq).take())
    return state


def interrupted_run(folder: Path) -> ResumePlan | None:
    """Return how this working directory's newest run goes on, where it broke off against anybody's will; else None.

    Raises:
        LrtuiError: where the store or the run can't be read, or has no checkpoint.
    """
    here = str(Path.cwd())
    with closing(open_for_reading(folder)) as connection:
        run = next((run for run in all_runs(connection) if run.directory == here), None)
        if run is None or not (run.state == "lost" or (run.state == "stopped" and was_interrupted(connection, run.id))):
            return None
    return plan_resume(folder, str(run.id))


def describe_user_files(resume_plan: ResumePlan) -> list[str]:
    """Return a line for each of the user's own files that will be run: its path and digest, and whether it changed."""
    lines = []
    for path, digest in user_files(resume_plan.spec).items():
        before = resume_plan.run.versions.get(path)
        changed = "" if before in (None, digest) else f", CHANGED since the run began ({str(before)[:16]})"
        lines.append(f"runs {path}, sha256 {digest[:16]}{changed}")
    return lines


def _check_can_go_on(run: StoredRun, *, changed: bool, epochs: int | None) -> None:
    if run.is_live:
        raise UsageError(
            f"{run.title} is {run.state} in process {run.process.pid}; lrtui send {run.id} stop ends it there"
        )
    if run.state == "done" and epochs is None:
        raise UsageError(f"{run.title} is done; --epochs N makes it longer")
    if run.state == "diverged" and not changed:
        raise UsageError(f"{run.title} diverged, and would again: --lr X or --schedule S lets it go on otherwise")


def _newest(folder: Path, run: StoredRun) -> SavedFile:
    files = saved_files(checkpoint_folder(folder, run.id))
    if not files:
        raise CheckpointError(
            f"{run.title} has no checkpoint in {checkpoint_folder(folder, run.id)}: it ended before its first one. "
            f"Start it anew"
        )
    return files[-1]


def _given_live_after(story: list[Story], seq: int) -> tuple[str, ...]:
    """Return the lines of what a person told the run after the checkpoint: a script's own lines are done anyway."""
    state = RunState()
    state.fold(part for part in story if isinstance(part, Event))
    return tuple(given.line for given in state.commands if given.seq > seq and not given.scripted)
