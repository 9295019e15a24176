"""Phases of a run: stretches in which one schedule is in force."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.schedules.export_code.timeline import ScheduleChange, Timeline
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a run in which one schedule is in force.

    Args:
        change: the schedule and its anchor.
        step: optimizer steps done when it took over.
        during_test: whether that was during the test of an epoch.
        batches_per_epoch: optimizer steps per epoch.
        calls: `step()` calls made when its last lr is used.
    """

    change: ScheduleChange
    step: int
    during_test: bool
    batches_per_epoch: int
    calls: int

    @property
    def schedule(self) -> Schedule:
        """The schedule in force."""
        return self.change.schedule

    @property
    def calls_before(self) -> int:
        """`step()` calls made when it takes over, as if it had been in force from the start of the run."""
        if self.change.anchor != "start":
            return 0
        calls = _calls_until(self.schedule, self.step, self.batches_per_epoch)
        # the step for the running test is made when the test has ended
        return calls - 1 if self.waits_for_result else calls

    @property
    def waits_for_result(self) -> bool:
        """Whether it took over during the test whose result its next step uses."""
        return self.during_test and self.change.anchor == "start" and self.schedule.metric is not None

    @property
    def misses_a_step(self) -> bool:
        """Whether it makes no step at the end of the epoch in whose test it took over."""
        return self.during_test and self.schedule.per == "epoch" and not self.waits_for_result

    @property
    def averages_from(self) -> int | None:
        """Steps (or epochs, by its unit) of the run after which weights are averaged, or None."""
        first = self.schedule.averages_from
        if first is None:
            return None
        since = 0 if self.change.anchor == "start" else self.step
        return first + (since if self.schedule.per == "batch" else since // self.batches_per_epoch)


def phases_of(timeline: Timeline) -> list[Phase]:
    """Return the phases of a timeline in order."""
    starts = [(timeline.first, timeline.start_step, False)]
    starts += [
        (change, point.step, point.during_test)
        for point in timeline.points
        for change in point.changes
        if isinstance(change, ScheduleChange)
    ]
    ends = [*starts[1:], None]
    return [
        Phase(*start, timeline.batches_per_epoch, _calls(timeline, start, end))
        for start, end in zip(starts, ends, strict=True)
    ]


def _calls(
    timeline: Timeline, start: tuple[ScheduleChange, int, bool], end: tuple[ScheduleChange, int, bool] | None
) -> int:
    """Return the number of `step()` calls of a phase; the one after the last batch of a run is not counted."""
    change, step, _ = start
    schedule, per_epoch = change.schedule, timeline.batches_per_epoch
    since = 0 if change.anchor == "start" else step
    before = _calls_until(schedule, since, per_epoch)
    if end is None:
        return _calls_until(schedule, timeline.total_steps, per_epoch) - before - 1
    _, until, during_test = end
    # the call of the epoch comes after its test
    at_test = 1 if during_test and schedule.per == "epoch" else 0
    return max(0, _calls_until(schedule, until, per_epoch) - before - at_test)


def _calls_until(schedule: Schedule, step: int, batches_per_epoch: int) -> int:
    return step if schedule.per == "batch" else step // batches_per_epoch


def ends_early(schedule: Schedule, calls: int) -> bool:
    """Return whether the schedule, not one nested in it, ends before its last call and then raises the lr again."""
    return bool(schedule.entry and schedule.entry.stepped_as) and calls > (schedule.length or calls + 1) - 1


def child_calls(schedule: Schedule, calls: int) -> list[tuple[Schedule, int]]:
    """Return the nested schedules, each with its share of the `step()` calls."""
    if schedule.entry is None or schedule.entry.composite != "sequence":
        return [(child, calls) for child in schedule.children]
    spans = schedule.child_spans(calls + 1)
    return [(child, min(end - 1, calls) - start) for child, (start, end) in zip(schedule.children, spans, strict=True)]
