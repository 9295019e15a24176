"""How a race stands: who is ranked by what it reached, who is out of it, and which differences are more than noise."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

from lrtui.analysis.race.significance import Difference, paired_difference
from lrtui.analysis.race.plan import Cell, RacePlan
from lrtui.analysis.race.results import CellResult, metric_of_race, test_samples
from lrtui.analysis.race.same_start import start_warnings
from lrtui.analysis.race.stopping import REFERENCE
from lrtui.analysis.race.target import Reached, default_target, mean_reached
from lrtui.analysis.race.unranked import Absent, unfinished, why_out
from lrtui.run.comparison import CIRCUMSTANCES
from lrtui.run.evaluations import is_better_high


@dataclass(frozen=True, slots=True)
class Placing:
    """An entrant that has run to the end.

    Args:
        entrant: its index in the plan.
        rank: by the mean at equal steps, from 1; equals share it.
        values: the figure at equal steps, by seed.
        mean: of these.
        deviation: their standard deviation; None with one seed.
        difference: to the reference, paired over the seeds; None for the reference itself.
        reached: when it came to the target; None where it did not with every seed.
        reached_seeds: with how many it did.
        time_rank: by the steps to the target, from 1, equals sharing it; None where it did not reach it.
    """

    entrant: int
    label: str
    rank: int
    values: Mapping[int, float]
    mean: float
    deviation: float | None
    difference: Difference | None
    reached: Reached | None
    reached_seeds: int
    time_rank: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a race stands.

    Args:
        metric: what it is decided by.
        seeds: that all ranked entrants have run to the end.
        epoch: after whose end the figures are, the last that all of them have.
        step: likewise.
        target: that the time is taken to; None where nobody is ranked.
        reference: the entrant that differences are to; None where nobody is ranked.
        placings: the best first.
        absent: in the plan's order.
        lead: of the first over the second; None with fewer.
        warnings: what makes the comparison less than fair.
        test_samples: of the task; None where nobody is ranked.
        data_words: which data, from where, and how much; empty where nobody is ranked.
    """

    plan: RacePlan
    metric: str
    seeds: tuple[int, ...]
    epoch: int
    step: int
    target: float | None
    reference: int | None
    placings: tuple[Placing, ...]
    absent: tuple[Absent, ...]
    lead: Difference | None
    warnings: tuple[str, ...]
    test_samples: int | None = None
    data_words: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all seeds of all that are still in the race are in it."""
        return len(self.seeds) == len(self.plan.seeds)

    @property
    def better_high(self) -> bool:
        """Whether a larger figure is the better one."""
        return bool(is_better_high(self.metric))


def standing(plan: RacePlan, results: Sequence[CellResult]) -> Standing:
    """Return how a race stands.

    Args:
        results: of all its runs, in the order of `plan.cells`.
    """
    by_cell = {result.cell: result for result in results}
    metric = metric_of_race(results)
    absent = {index: words for index in range(len(plan.entrants)) if (words := why_out(plan, index, results))}
    running = [index for index in range(len(plan.entrants)) if index not in absent]
    seeds = tuple(
        seed for seed in plan.seeds if running and all(by_cell[Cell(index, seed)].is_done for index in running)
    )
    if not seeds:
        absent |= {index: unfinished(plan, index, results) for index in running}
        running = []
    ranked = [[by_cell[Cell(index, seed)] for seed in seeds] for index in running]
    warnings = tuple(start_warnings(results))
    apart = tuple(absent[index] for index in sorted(absent))
    if not ranked:
        return Standing(plan, metric, seeds, 0, 0, None, None, (), apart, None, warnings)
    epoch = min(max(result.tests) for runs in ranked for result in runs)
    step = ranked[0][0].tests[epoch].step
    target = plan.target if plan.target is not None else default_target(ranked, metric)
    placings, lead = _rank(plan, metric, epoch, running, ranked, target)
    reference = REFERENCE if REFERENCE in running else placings[0].entrant
    samples, data = _test_samples(ranked), _data_words(ranked)
    return Standing(plan, metric, seeds, epoch, step, target, reference, placings, apart, lead, warnings, samples, data)


def _rank(
    plan: RacePlan,
    metric: str,
    epoch: int,
    running: Sequence[int],
    ranked: Sequence[Sequence[CellResult]],
    target: float,
) -> tuple[tuple[Placing, ...], Difference | None]:
    better_high = bool(is_better_high(metric))
    values = {
        index: {result.cell.seed: _figure(result, metric, epoch) for result in runs}
        for index, runs in zip(running, ranked, strict=True)
    }
    means = {index: statistics.fmean(each.values()) for index, each in values.items()}
    sign = 1 if better_high else -1
    order = sorted(running, key=lambda index: -sign * means[index])
    pairs = comb(len(running), 2)
    # the smallest step that a figure can take
    resolution = 1 / _test_samples(ranked) if better_high else 0.0

    def difference(one: int, other: int, comparisons: int) -> Difference:
        return paired_difference(
            list(values[one].values()),
            list(values[other].values()),
            better_high=better_high,
            comparisons=max(1, comparisons),
            resolution=resolution,
        )

    # whom the others are measured against is chosen before the race; the leader is chosen by its results, which
    # takes a correction for all the pairs that might have come out first and second
    reference, compared = (REFERENCE, len(running) - 1) if REFERENCE in running else (order[0], pairs)
    times = {index: mean_reached(runs, metric, target) for index, runs in zip(running, ranked, strict=True)}
    steps = {index: reached.steps for index, (reached, _) in times.items() if reached is not None}
    placings = tuple(
        Placing(
            entrant=index,
            label=plan.entrants[index].label,
            rank=1 + sum((means[other] - means[index]) * sign > 0 for other in running),
            values=values[index],
            mean=means[index],
            deviation=statistics.stdev(values[index].values()) if len(values[index]) > 1 else None,
            difference=None if index == reference else difference(index, reference, compared),
            reached=times[index][0],
            reached_seeds=times[index][1],
            time_rank=1 + sum(each < steps[index] for each in steps.values()) if index in steps else None,
        )
        for index in order
    )
    return placings, difference(order[0], order[1], pairs) if len(order) > 1 else None


def _figure(result: CellResult, metric: str, epoch: int) -> float:
    value = result.value(metric, epoch)
    assert value is not None, "a run that is done has a result at every epoch's end"
    return value


def _test_samples(ranked: Sequence[Sequence[CellResult]]) -> int:
    story = ranked[0][0].story
    return test_samples(story.started) if story is not None and story.started is not None else 1


def _data_words(ranked: Sequence[Sequence[CellResult]]) -> str:
    story = ranked[0][0].story
    if story is None:
        return ""
    data, samples, device = (CIRCUMSTANCES[name](story) for name in ("data", "samples", "computed on"))
    return f"data: {data}, {samples} samples; computed on {device}"
