"""Phases of a run, in each of which one schedule is active, and the parts that a script needs for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lrtui.schedules.catalogue import Per
from lrtui.schedules.export_code.timeline import ChangePoint, ScaleChange, ScheduleChange, Timeline
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a run in which one schedule is active.

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
        """The active schedule."""
        return self.change.schedule

    @property
    def calls_before(self) -> int:
        """`step()` calls made when it takes over, as if it had been active from the start of the run."""
        if self.change.anchor != "start":
            return 0
        calls = _calls_until(self.schedule, self.step, self.batches_per_epoch)
        # the step for the running test is made when the test has ended
        return calls - 1 if self.waits_for_result and self.schedule.per == "epoch" else calls

    @property
    def waits_for_result(self) -> bool:
        """Whether it took over during the test whose result its next step uses."""
        return self.during_test and self.change.anchor == "start" and self.schedule.metric is not None

    @property
    def misses_a_step(self) -> bool:
        """Whether it makes no step at the end of the epoch in whose test it took over."""
        return self.during_test and "epoch" in self.schedule.units and not self.waits_for_result

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
        calls = timeline.total_steps if schedule.per == "batch" else timeline.epochs
        return calls - before - 1
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
    if schedule.entry is None or schedule.entry.composite not in ("sequence", "warmup"):
        return [(child, calls) for child in schedule.children]
    spans = schedule.child_spans(calls + 1)
    return [(child, min(end - 1, calls) - start) for child, (start, end) in zip(schedule.children, spans, strict=True)]


@dataclass(frozen=True)
class ScriptFeatures:
    """Features of the script that reproduces a timeline.

    Args:
        timeline: the timeline to reproduce.
    """

    timeline: Timeline

    @cached_property
    def phases(self) -> list[Phase]:
        """Its phases, in order."""
        return phases_of(self.timeline)

    @cached_property
    def schedules(self) -> list[Schedule]:
        """The schedule of each phase."""
        return [phase.schedule for phase in self.phases]

    @property
    def switches(self) -> bool:
        """Whether there is more than one phase."""
        return len(self.phases) > 1

    def follows_placeholder(self, phase: Phase) -> bool:
        """Return whether a phase takes over from a scheduler that only a script has, at lrs that were recorded."""
        index = next(number for number, each in enumerate(self.phases) if each is phase)
        return index > 0 and self.schedules[index - 1].is_of_script and bool(phase.change.lrs_before)

    @property
    def per_batch(self) -> bool:
        """Whether any schedule steps per batch."""
        return any("batch" in schedule.units for schedule in self.schedules)

    @property
    def per_epoch(self) -> bool:
        """Whether any schedule steps per epoch."""
        return any("epoch" in schedule.units for schedule in self.schedules)

    @property
    def warms_up_per_batch(self) -> bool:
        """Whether any schedule is a Warmup per batch around one per epoch, which steps in both units."""
        return any(len(schedule.units) > 1 for schedule in self.schedules)

    def unit_condition(self, per: Per) -> str:
        """Return the condition under which the active schedule steps in a unit; empty if every or no schedule does."""
        if len({per in schedule.units for schedule in self.schedules}) == 1:
            return ""
        if per == "batch":
            return "per_batch"
        return "per_epoch" if self.warms_up_per_batch else "not per_batch"

    @property
    def epoch_step(self) -> str:
        """What the loop calls at the end of an epoch: a method, or the variable that holds one if it varies."""
        both = {len(schedule.units) > 1 for schedule in self.schedules if "epoch" in schedule.units}
        if len(both) > 1:
            return "step_epoch"
        return "scheduler.step_epoch" if both == {True} else "scheduler.step"

    @property
    def metrics(self) -> list[str]:
        """The test metrics that schedules follow, each once."""
        return list(dict.fromkeys(schedule.metric for schedule in self.schedules if schedule.metric is not None))

    @property
    def metric_varies(self) -> bool:
        """Whether the schedules that step per epoch follow different metrics, or some of them none."""
        return len({schedule.metric for schedule in self.schedules if "epoch" in schedule.units}) > 1

    @property
    def looks_back(self) -> bool:
        """Whether a schedule is stepped with results of earlier tests."""
        return any(phase.schedule.metric is not None and phase.calls_before > 0 for phase in self.phases)

    @property
    def averages(self) -> bool:
        """Whether weights are averaged."""
        return any(phase.averages_from is not None for phase in self.phases)

    @property
    def resets_by_lr(self) -> bool:
        """Whether a switch starts from the current lr."""
        return any(phase.change.anchor == "current" for phase in self.phases[1:])

    @cached_property
    def _scaled(self) -> list[ScaleChange]:
        return [change for point in self.timeline.points for change in point.changes if isinstance(change, ScaleChange)]

    @property
    def scales(self) -> bool:
        """Whether the lr is ever scaled."""
        return bool(self._scaled)

    @property
    def one_scale(self) -> bool:
        """Whether all parameter groups always have the same scale."""
        return all(len(set(change.scale)) == 1 for change in self._scaled)

    @property
    def scale_points(self) -> list[ChangePoint]:
        """The points between steps at which nothing but the scale changes; the script has them in a table."""
        return [point for point in self.timeline.points if not (point.during_test or point.switches)]

    @property
    def block_points(self) -> list[ChangePoint]:
        """All other points; each becomes a block in the loop."""
        return [point for point in self.timeline.points if point.during_test or point.switches]

    @property
    def holds_in_loop(self) -> bool:
        """Whether the loop stops stepping a OneCycleLR that ends before the run."""
        first = self.phases[0]
        return len(self.phases) == 1 and ends_early(first.schedule, first.calls)

    @property
    def counts_steps(self) -> bool:
        """Whether the loop counts steps."""
        at_steps = any(not point.during_test for point in self.timeline.points)
        return (
            at_steps
            or self.timeline.max_steps is not None
            or any(phase.averages_from is not None and phase.schedule.per == "batch" for phase in self.phases)
        )

    @property
    def counts_epochs(self) -> bool:
        """Whether the loop uses the number of the epoch."""
        during_test = any(point.during_test for point in self.timeline.points)
        from_epoch = [phase for phase in self.phases if phase.averages_from and phase.schedule.per == "epoch"]
        return during_test or bool(from_epoch) or (self.averages and self.switches)

    @property
    def epochs_missed(self) -> list[int]:
        """Epochs at the end of which the schedule makes no step, since it took over during their test."""
        return [
            point.step // self.timeline.batches_per_epoch
            for point in self.timeline.points
            if point.during_test and (last := self._last_switch(point)) is not None and last.misses_a_step
        ]

    def _last_switch(self, point: ChangePoint) -> Phase | None:
        switches = [change for change in point.changes if isinstance(change, ScheduleChange)]
        return next((phase for phase in self.phases if switches and phase.change is switches[-1]), None)
