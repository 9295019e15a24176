"""What a course needs of a script: nothing is written that it has no use for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lrtui.schedules.export_code.course import Course, Moment, Scaled, Switched
from lrtui.schedules.export_code.phase import Phase, cycles_that_end, phases_of
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True)
class Plan:
    """A course, and what follows from it.

    Args:
        course: what is to be reproduced.
    """

    course: Course

    @cached_property
    def phases(self) -> list[Phase]:
        """Its phases, the first one first."""
        return phases_of(self.course)

    @cached_property
    def schedules(self) -> list[Schedule]:
        """Their schedules."""
        return [phase.schedule for phase in self.phases]

    @property
    def switches(self) -> bool:
        """Whether there is more than one phase, or the first one doesn't begin as it would by itself."""
        return len(self.phases) > 1

    # -- what is different from phase to phase, and so a variable of the script ---------------------------------------

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
        """The figures of a test that they follow, each once."""
        return list(dict.fromkeys(schedule.metric for schedule in self.schedules if schedule.metric is not None))

    @property
    def metric_varies(self) -> bool:
        """Whether those that step per epoch follow different figures, or some of them none."""
        return len({schedule.metric for schedule in self.schedules if schedule.per == "epoch"}) > 1

    @property
    def looks_back(self) -> bool:
        """Whether a schedule is stepped with the results of tests that lie behind."""
        return any(phase.schedule.metric is not None and phase.calls_before > 0 for phase in self.phases)

    @property
    def averages(self) -> bool:
        """Whether weights are averaged."""
        return any(phase.averages_from is not None for phase in self.phases)

    @property
    def resets_by_lr(self) -> bool:
        """Whether a schedule builds on the lr of its moment."""
        return any(phase.switched.anchor == "current" for phase in self.phases[1:])

    # -- scales -------------------------------------------------------------------------------------------------------

    @cached_property
    def _scaled(self) -> list[Scaled]:
        return [change for moment in self.course.moments for change in moment.changes if isinstance(change, Scaled)]

    @property
    def scales(self) -> bool:
        """Whether the schedule's own lr is ever multiplied with something."""
        return bool(self._scaled)

    @property
    def one_scale(self) -> bool:
        """Whether all parameter groups always have the same factor."""
        return all(len(set(change.scale)) == 1 for change in self._scaled)

    @property
    def scale_moments(self) -> list[Moment]:
        """The moments between steps at which nothing but the scale changes: a table of the script."""
        return [moment for moment in self.course.moments if not (moment.testing or moment.switches)]

    @property
    def block_moments(self) -> list[Moment]:
        """The others, each a block of its own in the loop."""
        return [moment for moment in self.course.moments if moment.testing or moment.switches]

    # -- the loop -----------------------------------------------------------------------------------------------------

    @property
    def holds_in_loop(self) -> bool:
        """Whether the loop itself stops stepping a OneCycleLR that ends before the run does."""
        first = self.phases[0]
        ends = any(cycles_that_end(first.schedule, first.calls))
        return len(self.phases) == 1 and first.schedule.name == "OneCycleLR" and ends

    @property
    def counts_steps(self) -> bool:
        """Whether the loop has to know how many steps were done."""
        at_steps = any(not moment.testing for moment in self.course.moments)
        return at_steps or any(
            phase.averages_from is not None and phase.schedule.per == "batch" for phase in self.phases
        )

    @property
    def counts_epochs(self) -> bool:
        """Whether the loop has to know which epoch it is."""
        in_tests = any(moment.testing for moment in self.course.moments)
        from_epoch = [phase for phase in self.phases if phase.averages_from and phase.schedule.per == "epoch"]
        return in_tests or bool(from_epoch) or (self.averages and self.switches)

    @property
    def epochs_missed(self) -> list[int]:
        """The epochs whose end the schedule in force does not step at, having been put in place during their test."""
        ends = self.course.moments
        return [
            moment.step // self.course.batches_per_epoch
            for moment in ends
            if moment.testing and (last := self._last_switch(moment)) is not None and last.misses_a_step
        ]

    def _last_switch(self, moment: Moment) -> Phase | None:
        switches = [change for change in moment.changes if isinstance(change, Switched)]
        return next((phase for phase in self.phases if switches and phase.switched is switches[-1]), None)
