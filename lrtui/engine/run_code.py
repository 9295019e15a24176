"""A run's schedule as PyTorch code: of settings that are still to run, of a run on screen, of a stored one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.export_code import Course, Scaled, Switched, torch_code
from lrtui.schedules.export_code.run_course import course_of
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.repetition import spec_as_done
from lrtui.schedules.what_if import recorded_results
from lrtui.text.format import counted

if TYPE_CHECKING:
    from lrtui.store.ancestry import Ancestor
    from lrtui.store.reader import StoredRun


def code_of_spec(spec: RunSpec, batches_per_epoch: int, *, tried: bool = False, notes: Sequence[str] = ()) -> str:
    """Return the code of a run that is still to be started.

    Args:
        spec: its settings, `at` included.
        batches_per_epoch: optimizer steps an epoch.
        tried: whether to build and step the schedule first, so that what PyTorch refuses is refused here; imports
            torch, and runs a user's own file.
        notes: further lines for the head of the code.

    Raises:
        NotationError: for what can't be read, or where it was tried, built.
    """
    if tried or spec.at:
        course = _played(spec, batches_per_epoch)
    else:
        horizon = Horizon(spec.epochs, batches_per_epoch)
        filled, _ = fill_in(parse_schedule(spec.schedule), horizon)
        course = Course(
            first=Switched(filled, "base"),
            optimizer=parse_optimizer(spec.optimizer),
            epochs=spec.epochs,
            batches_per_epoch=batches_per_epoch,
            accumulate=spec.accumulate,
            clip_grad_norm=spec.clip_grad_norm,
        )
    return torch_code(replace(course, notes=(*_notes("", course, spec), *notes)))


def code_of_run(title: str, state: RunState, before: Sequence[Ancestor] = ()) -> str:
    """Return the code of a run that was started: with its switches and nudges, and what its script has still to do.

    Args:
        title: what the run is called.
        state: the run's.
        before: the runs that a branch goes back to, the oldest first; where there are none, its code begins with it.

    Raises:
        UsageError: where the run has not started.
    """
    course = None
    for ancestor in before:
        course = course_of(ancestor.state, course)
    course = course_of(state, course)
    if course is None or state.started is None:
        if state.outcome is not None:
            raise UsageError(f"{title} ended before its first step: it has no course to write down")
        raise UsageError(f"{title} has not started; its code follows from how long an epoch turns out to be")
    course = _with_what_is_to_come(course, state)
    notes = list(_notes(title, course, state.started.spec))
    if before:
        notes.append(
            f"it branched from run #{before[-1].number} after step {state.first_step:,}, and is that one up to there"
        )
    if course.start_step:
        notes.append(
            f"what was before step {course.start_step:,} is not known here: begin with the weights of that checkpoint"
        )
    return torch_code(replace(course, notes=tuple(notes)))


def code_of_stored(connection: sqlite3.Connection, run: StoredRun) -> str:
    """Return the code of a run of the store; those that it goes back to are read as well.

    Raises:
        UsageError: where the run has not started.
        sqlite3.Error: where the store can't be read.
    """
    from lrtui.store.ancestry import ancestors, story_of

    return code_of_run(f"run {run.title}", story_of(connection, run.id), ancestors(connection, run.id))


def _with_what_is_to_come(course: Course, state: RunState) -> Course:
    """Return the course with what a run's script has still to do: that depends on the lr it will find."""
    repeated, started = spec_as_done(state), state.started
    if repeated is None or started is None or state.first_step or state.status == "done":
        return course
    if len(repeated.at) == len(state.commands):
        return course
    return _played(repeated, started.batches_per_epoch, recorded_results([state]))


def _played(spec: RunSpec, batches_per_epoch: int, results: list[Mapping[str, float]] | None = None) -> Course:
    # it imports torch, which most code needs not
    from lrtui.training.script_simulation import PlayedCourse

    return PlayedCourse(spec, batches_per_epoch, results or ()).play()


def _notes(title: str, course: Course, spec: RunSpec) -> tuple[str, ...]:
    lengths = f"{course.epochs:,} epochs of {course.batches_per_epoch:,} steps"
    notes = [f"{f'{title}: ' if title else ''}{spec.schedule}", f"{spec.optimizer}, {lengths}"]
    changes = [change for moment in course.moments for change in moment.changes]
    switches = sum(isinstance(change, Switched) for change in changes)
    scalings = sum(isinstance(change, Scaled) for change in changes)
    if changes:
        words = [counted(switches, "switched schedule")] * bool(switches)
        words += [f"{counted(scalings, 'change')} of lr by hand"] * bool(scalings)
        notes.append(f"with {' and '.join(words)}")
    schedules = [course.first.schedule, *(change.schedule for change in changes if isinstance(change, Switched))]
    if followed := sorted({schedule.metric for schedule in schedules if schedule.metric is not None}):
        notes.append(f"its lr follows the test's {' and '.join(followed)}: with other results it takes another course")
    if spec.precision != "fp32":
        notes.append(f"the run computed its model in {spec.precision} (torch.autocast), which is left out here")
    return (*notes, *course.notes)
