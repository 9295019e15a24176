"""The schedules and lr changes of a whole run, from its settings or from what it did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from lrtui.run.events import ScheduleSwitched
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.schedule import Schedule

# numpy takes 60 ms to import
if TYPE_CHECKING:
    from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """A schedule that takes over.

    Args:
        schedule: the schedule with its lengths filled in.
        anchor: `base`, `current` or `start`.
        comment: written above it in the script.
        lrs_before: the recorded lr of each parameter group before it, from which the anchor `current` starts.
    """

    schedule: Schedule
    anchor: str
    comment: str = ""
    lrs_before: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ScaleChange:
    """A new scale: the lr of the schedule is multiplied by it from here on.

    Args:
        scale: one factor per parameter group.
        comment: the command, such as `lr*1.25` or `undo`.
    """

    scale: tuple[float, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """The changes between two optimizer steps, in order.

    Args:
        step: optimizer steps done before.
        during_test: whether they came during the test of an epoch, before the schedule's step of that epoch.
    """

    step: int
    changes: tuple[ScheduleChange | ScaleChange, ...]
    during_test: bool = False

    @property
    def switches(self) -> bool:
        """Whether a schedule takes over."""
        return any(isinstance(change, ScheduleChange) for change in self.changes)

    @property
    def effective(self) -> ChangePoint:
        """The point without the changes that a later switch of the same point discards."""
        resets = [
            index
            for index, change in enumerate(self.changes)
            if isinstance(change, ScheduleChange) and change.anchor != "current"
        ]
        return replace(self, changes=self.changes[resets[-1] :]) if resets else self


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The schedules of a whole run and every change of its lr.

    Args:
        first: the schedule it starts with; the anchor matters only if `start_step` is not 0.
        optimizer: its class, arguments and groups.
        epochs: epochs of the whole run.
        batches_per_epoch: optimizer steps per epoch.
        max_steps: optimizer steps after which the run ends within its last epoch; None if that epoch is whole.
        points: the changes during the run, in order.
        start_step: where the timeline starts, the first step of an epoch.
        start_lrs: lr per parameter group that the first schedule builds on if its anchor is `current`.
        accumulate: batches per optimizer step.
        clip_grad_norm: maximum gradient norm, or None.
        notes: comment lines at the head of the script.
    """

    first: ScheduleChange
    optimizer: OptimizerSpec
    epochs: int
    batches_per_epoch: int
    points: tuple[ChangePoint, ...] = ()
    start_step: int = 0
    start_lrs: tuple[float, ...] = ()
    accumulate: int = 1
    clip_grad_norm: float | None = None
    notes: tuple[str, ...] = ()
    max_steps: int | None = None

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.batches_per_epoch if self.max_steps is None else self.max_steps

    @property
    def effective(self) -> Timeline:
        """The timeline without changes that affect the lr of no step."""
        points = [point.effective for point in self.points if point.step < self.total_steps]
        return replace(self, points=tuple(points))


def timeline_of(state: RunState, parent: Timeline | None = None) -> Timeline | None:
    """Return the timeline of a run so far, with its present length, or None if it has not started.

    Args:
        state: state of the run.
        parent: timeline of the run that it branched from, up to that checkpoint. Without it the timeline starts at the
            branch.
    """
    started = state.started
    if started is None:
        return None
    spec = started.spec
    horizon = Horizon.so_far(state)
    timeline = Timeline(
        first=ScheduleChange(parse_schedule(spec.schedule), "base"),
        optimizer=parse_optimizer(spec.optimizer),
        epochs=spec.epochs if started.total_steps is not None else horizon.epochs,
        batches_per_epoch=horizon.batches_per_epoch,
        max_steps=horizon.max_steps,
        points=_merged(_changes(state)),
        accumulate=spec.accumulate,
        clip_grad_norm=spec.clip_grad_norm,
    )
    if not state.first_step:
        return timeline
    if parent is None:
        return _starting_at_branch(timeline, state)
    points = _merged((*parent.points, *timeline.points))
    return replace(
        timeline, first=parent.first, points=points, start_step=parent.start_step, start_lrs=parent.start_lrs
    )


def _changes(state: RunState) -> list[ChangePoint]:
    """Return a point for each change that a command made to the lr."""
    during_test = {given.seq for given in state.commands if given.line.startswith("test")}
    points = []
    for event in state.changes:
        if isinstance(event, ScheduleSwitched):
            schedule = parse_schedule(event.schedule)
            comment = event.command or f"{event.schedule} from {event.anchor}"
            change: ScheduleChange | ScaleChange = ScheduleChange(
                schedule, event.anchor, comment, tuple(event.lrs_before)
            )
        elif event.by != "plateau":
            change = ScaleChange(event.scale, event.command)
        else:
            # the scheduler makes the cuts of a plateau by itself
            continue
        points.append(ChangePoint(event.step, (change,), event.seq in during_test))
    return points


def _starting_at_branch(timeline: Timeline, state: RunState) -> Timeline:
    """Return the timeline from the first step of the branch on."""
    first = timeline.points[0] if timeline.points else None
    switch = next((change for change in state.changes if isinstance(change, ScheduleSwitched)), None)
    if (
        first is None
        or switch is None
        or first.step != state.first_step
        or not isinstance(first.changes[0], ScheduleChange)
    ):
        # it continues the schedule of its parent, which is assumed unchanged
        return replace(timeline, first=ScheduleChange(timeline.first.schedule, "start"), start_step=state.first_step)
    change, *others = first.changes
    assert isinstance(change, ScheduleChange)
    return replace(
        timeline,
        first=change,
        points=(*([replace(first, changes=tuple(others))] if others else []), *timeline.points[1:]),
        start_step=state.first_step,
        start_lrs=tuple(switch.lrs_before) if switch.anchor == "current" else (),
    )


def _merged(points: Iterable[ChangePoint]) -> tuple[ChangePoint, ...]:
    """Return the points with those of the same moment merged."""
    return tuple(
        ChangePoint(step, tuple(change for point in group for change in point.changes), during_test)
        for (step, during_test), group in groupby(points, key=lambda point: (point.step, point.during_test))
    )
