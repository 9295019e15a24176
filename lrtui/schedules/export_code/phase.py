"""The stretches of a run in which one schedule holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lrtui.schedules.export_code.course import Course, Switched
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Phase:
    """One of them.

    Args:
        switched: the schedule and its anchor.
        step: optimizer steps done when it was put in place.
        testing: whether that was during an epoch's test.
        batches_per_epoch: optimizer steps an epoch.
        calls: `step()` calls that it has had when its last lr is used.
    """

    switched: Switched
    step: int
    testing: bool
    batches_per_epoch: int
    calls: int

    @property
    def schedule(self) -> Schedule:
        """What holds."""
        return self.switched.schedule

    @property
    def calls_before(self) -> int:
        """`step()` calls that it is given at once, as if it had been there from the run's start."""
        if self.switched.anchor != "start":
            return 0
        calls = _calls_until(self.schedule, self.step, self.batches_per_epoch)
        # whoever follows a test's result that is still to come takes that step with the result, like everybody else
        return calls - 1 if self.waits_for_result else calls

    @property
    def waits_for_result(self) -> bool:
        """Whether it was put in place during the very test whose result it takes its next step with."""
        return self.testing and self.switched.anchor == "start" and self.schedule.metric is not None

    @property
    def misses_a_step(self) -> bool:
        """Whether the epoch's end that comes next is not its own: it was put in place during the test there."""
        return self.testing and self.schedule.per == "epoch" and not self.waits_for_result

    @property
    def averages_from(self) -> int | None:
        """Weights are averaged after this many steps of the run (or epochs, as it counts); None for never."""
        begin = self.schedule.averages_from
        if begin is None:
            return None
        since = 0 if self.switched.anchor == "start" else self.step
        return begin + (since if self.schedule.per == "batch" else since // self.batches_per_epoch)


def phases_of(course: Course) -> list[Phase]:
    """Return the course's phases, the first one first."""
    starts = [(course.first, course.start_step, False)]
    starts += [
        (change, moment.step, moment.testing)
        for moment in course.moments
        for change in moment.changes
        if isinstance(change, Switched)
    ]
    ends = [*starts[1:], None]
    return [
        Phase(*start, course.batches_per_epoch, _calls(course, start, end))
        for start, end in zip(starts, ends, strict=True)
    ]


def _calls(course: Course, start: tuple[Switched, int, bool], end: tuple[Switched, int, bool] | None) -> int:
    """Return how many `step()` calls lie between; the one after a run's last batch changes nothing any more."""
    switched, step, _ = start
    schedule, per_epoch = switched.schedule, course.batches_per_epoch
    since = 0 if switched.anchor == "start" else step
    before = _calls_until(schedule, since, per_epoch)
    if end is None:
        return _calls_until(schedule, course.total_steps, per_epoch) - before - 1
    _, until, testing = end
    # the epoch's own call comes after its test
    own = 1 if testing and schedule.per == "epoch" else 0
    return max(0, _calls_until(schedule, until, per_epoch) - before - own)


def _calls_until(schedule: Schedule, step: int, batches_per_epoch: int) -> int:
    return step if schedule.per == "batch" else step // batches_per_epoch


def cycles_that_end(schedule: Schedule, calls: int) -> Iterator[Schedule]:
    """Yield the OneCycleLRs that have come to their end before they have had their last call.

    Args:
        calls: `step()` calls whose lr is used.
    """
    if schedule.name == "OneCycleLR" and schedule.own is None and calls > cycle_length(schedule) - 1:
        yield schedule
    for child, own_calls in child_calls(schedule, calls):
        yield from cycles_that_end(child, own_calls)


def child_calls(schedule: Schedule, calls: int) -> list[tuple[Schedule, int]]:
    """Return the schedules inside, each with the calls that it has of so many."""
    if schedule.name != "SequentialLR":
        return [(child, calls) for child in schedule.children]
    edges = [0, *schedule.arguments["milestones"], calls + 1]
    segments = [min(later - 1, calls) - earlier for earlier, later in pairwise(edges)]
    return list(zip(schedule.children, segments, strict=True))


def cycle_length(schedule: Schedule) -> int:
    """Return the `step()` calls of a OneCycleLR, its own start counted."""
    arguments = schedule.arguments
    total = arguments.get("total_steps")
    return int(total if total is not None else arguments["epochs"] * arguments["steps_per_epoch"])
