"""The course of a run that has been, or goes on: read off its state, with nothing computed again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from lrtui.run.events import ScheduleSwitched
from lrtui.run.state import RunState
from lrtui.schedules.export_code.course import Course, Moment, Scaled, Switched
from lrtui.schedules.notation import parse_optimizer, parse_schedule

BASE = "base"


def course_of(state: RunState, parent: Course | None = None) -> Course | None:
    """Return the course of a run as far as it has come, at the length that it has now; None before it started.

    Args:
        state: the run's.
        parent: course of the run that it branched from, up to the checkpoint that it began at; where that is not
            known, the course begins with the branch.
    """
    started = state.started
    if started is None:
        return None
    spec = started.spec
    course = Course(
        first=Switched(parse_schedule(spec.schedule), BASE),
        optimizer=parse_optimizer(spec.optimizer),
        epochs=spec.epochs,
        batches_per_epoch=started.batches_per_epoch,
        moments=_moments(_changes(state)),
        accumulate=spec.accumulate,
        clip_grad_norm=spec.clip_grad_norm,
    )
    if not state.first_step:
        return course
    if parent is None:
        return _from_the_branch(course, state)
    moments = _joined((*parent.moments, *course.moments))
    return replace(
        course, first=parent.first, moments=moments, start_step=parent.start_step, start_lrs=parent.start_lrs
    )


_Change = tuple[int, bool, Switched | Scaled]


def _changes(state: RunState) -> list[_Change]:
    """Return what a person or a script has done to the lr: step, whether a test was under way, and what."""
    in_tests = {given.seq for given in state.commands if given.line.startswith("test")}
    changes: list[_Change] = []
    for event in state.changes:
        if isinstance(event, ScheduleSwitched):
            schedule = parse_schedule(event.schedule)
            words = event.command or f"{event.schedule} from {event.anchor}"
            changes.append((event.step, event.seq in in_tests, Switched(schedule, event.anchor, words)))
        elif event.by != "plateau":
            # a plateau's cut is the scheduler's own
            changes.append((event.step, event.seq in in_tests, Scaled(event.scale, event.command)))
    return changes


def _moments(changes: Iterable[_Change]) -> tuple[Moment, ...]:
    return tuple(
        Moment(step, tuple(change for _, _, change in group), testing)
        for (step, testing), group in groupby(changes, key=lambda change: (change[0], change[1]))
    )


def _from_the_branch(course: Course, state: RunState) -> Course:
    """Return the course from the branch's first step on: of what was before, only what the branch itself tells."""
    first = course.moments[0] if course.moments else None
    begun = next((change for change in state.changes if isinstance(change, ScheduleSwitched)), None)
    if first is None or begun is None or first.step != state.first_step or not isinstance(first.changes[0], Switched):
        # it goes on with its parent's schedule, which nobody has switched as far as is known
        return replace(course, first=Switched(course.first.schedule, "start"), start_step=state.first_step)
    switched, *others = first.changes
    assert isinstance(switched, Switched)
    return replace(
        course,
        first=switched,
        moments=(*([replace(first, changes=tuple(others))] if others else []), *course.moments[1:]),
        start_step=state.first_step,
        start_lrs=tuple(begun.lrs_before) if begun.anchor == "current" else (),
    )


def _joined(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """Return the moments with those of one time as one: a branch goes on where its parent was."""
    return tuple(
        Moment(step, tuple(change for moment in group for change in moment.changes), testing)
        for (step, testing), group in groupby(moments, key=lambda moment: (moment.step, moment.testing))
    )
