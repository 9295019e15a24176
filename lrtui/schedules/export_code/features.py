"""Which parts a script needs for a timeline, so that nothing superfluous is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lrtui.schedules.export_code.phases import Phase, ends_early, phases_of
from lrtui.schedules.export_code.timeline import ChangePoint, ScaleChange, ScheduleChange, Timeline
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True)
class ScriptFeatures:
    """Features of the script that reproduces a timeline.

    Args:
        timeline: to reproduce.
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

    @property
    def both_units(self) -> bool:
        """Whether some of the schedules step per batch and some per epoch."""
        return len({schedule.per for schedule in self.schedules}) > 1

    @property
    def per_batch(self) -> bool:
        """Whether any steps per batch."""
        return any(schedule.per == "batch" for schedule in self.schedules)

    @property
    def per_epoch(self) -> bool:
        """Whether any steps per epoch."""
        return any(schedule.per == "epoch" for schedule in self.schedules)

    @property
    def metrics(self) -> list[str]:
        """The test metrics that schedules follow, each once."""
        return list(dict.fromkeys(schedule.metric for schedule in self.schedules if schedule.metric is not None))

    @property
    def metric_varies(self) -> bool:
        """Whether the schedules that step per epoch follow different metrics, or some of them none."""
        return len({schedule.metric for schedule in self.schedules if schedule.per == "epoch"}) > 1

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
        """Whether a schedule builds on the lr of its point."""
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
        """The points between steps at which nothing but the scale changes: a table of the script."""
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
        return at_steps or any(
            phase.averages_from is not None and phase.schedule.per == "batch" for phase in self.phases
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
        ends = self.timeline.points
        return [
            point.step // self.timeline.batches_per_epoch
            for point in ends
            if point.during_test and (last := self._last_switch(point)) is not None and last.misses_a_step
        ]

    def _last_switch(self, point: ChangePoint) -> Phase | None:
        switches = [change for change in point.changes if isinstance(change, ScheduleChange)]
        return next((phase for phase in self.phases if switches and phase.change is switches[-1]), None)
