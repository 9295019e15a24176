"""The standing of a race: who is ranked, who is not and why, and which differences are more than noise."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

from lrtui.analysis.race.plan import Cell, RacePlan, accuracy_refusal
from lrtui.analysis.race.results import CellResult, Reached, default_target, mean_reached, objective_of_race
from lrtui.analysis.race.significance import Difference, paired_difference
from lrtui.analysis.race.stopping import REFERENCE
from lrtui.run.commands import EvaluateNow
from lrtui.run.comparison import CIRCUMSTANCES
from lrtui.run.evaluations import ACCURACY, Objective, metric_of
from lrtui.text.format import counted, figure


@dataclass(frozen=True, slots=True)
class Unranked:
    """An entrant that is not ranked.

    Args:
        why: `stopped`, `diverged`, `failed` or `unfinished`.
        step: the step reached with the seed that ended it, or the highest of all seeds.
        text: what happened, as a sentence.
    """

    entrant: int
    label: str
    why: str
    step: int
    text: str


def reason_unranked(plan: RacePlan, entrant: int, results: Sequence[CellResult]) -> Unranked | None:
    """Return why an entrant is out of the race, or None if it is not."""
    label = plan.entrants[entrant].label
    of_entrant = [result for result in results if result.cell.entrant == entrant]
    ruling = plan.rulings.get(entrant)
    if ruling is not None:
        text = f"with seed {ruling.seed} after epoch {ruling.epoch}: {ruling.reason}"
        # it may have made further steps before it ended
        step = max(ruling.step, *(result.step for result in of_entrant if result.cell.seed == ruling.seed))
        return Unranked(entrant, label, "stopped", step, text)
    for why in ("diverged", "failed"):
        bad_runs = [result for result in of_entrant if result.state == why]
        if why == "diverged":
            # ended, but with a result that is not finite
            bad_runs += [
                result for result in of_entrant if result.state == "done" and result.last_test and not result.is_done
            ]
        if bad_runs:
            first = bad_runs[0]
            outcome = first.run_state.outcome
            more = f": {outcome.error}" if outcome and outcome.error else ""
            if first.state == "done":
                more = f": the {' and the '.join(first.not_finite)} of its last test is not finite"
            ran = sum(result.state != "missing" for result in of_entrant)
            text = f"with {len(bad_runs)} of {counted(ran, 'seed')}, first with seed {first.cell.seed}{more}"
            return Unranked(entrant, label, why, first.step, text)
    return None


def unfinished(plan: RacePlan, entrant: int, results: Sequence[CellResult]) -> Unranked:
    """Return the progress of an entrant that is in the race but not ranked yet."""
    of_entrant = [result for result in results if result.cell.entrant == entrant]
    done = [result for result in of_entrant if result.is_done]
    text = f"{len(done)} of {counted(len(plan.seeds), 'seed')} done"
    tests = [(result, result.last_test) for result in of_entrant if not result.is_done and result.last_test is not None]
    if tests:
        result, test = tests[0]
        value = figure(metric_of(test, result.run_state.objective.metric))
        text += f"; with seed {result.cell.seed} it has {value} after epoch {test.epoch}"
    return Unranked(
        entrant, plan.entrants[entrant].label, "unfinished", max(result.step for result in of_entrant), text
    )


TOLERANCE = 1e-3
"""Relative tolerance of the first batch's loss. The order of sums on an accelerator changes it less, other initial
weights more."""

SHARED_CIRCUMSTANCES = ("computed on", "torch threads", "data", "samples", "parameters")
"""What all runs of a race must share besides their settings."""


def start_warnings(results: Sequence[CellResult]) -> Iterator[str]:
    """Yield a warning for each way in which the runs of a race differ other than by their schedules.

    The loss of the first batch precedes any step, so it is the same for every schedule of a seed if weights, data order
    and dropout are.
    """
    for seed in dict.fromkeys(result.cell.seed for result in results):
        losses = [result.first_loss for result in results if result.cell.seed == seed and result.first_loss is not None]
        if losses and not all(math.isclose(loss, losses[0], rel_tol=TOLERANCE) for loss in losses):
            yield (
                f"with seed {seed} the loss of the first batch varies from {min(losses):.6g} to {max(losses):.6g}: "
                "the runs did not start equal, so differences are not paired; the task uses random numbers "
                "that are not seeded, or its model() returns a model that an earlier run has trained"
            )
    states = [result.run_state for result in results if result.started is not None]
    for name in SHARED_CIRCUMSTANCES:
        values = {text for state in states if (text := CIRCUMSTANCES[name](state)) is not None}
        if len(values) > 1:
            yield f"the runs also differ in {name}: {'; '.join(sorted(values))}"


def change_warnings(plan: RacePlan, results: Sequence[CellResult]) -> Iterator[str]:
    """Yield a warning for each run whose lr, schedule or length the user changed while it trained."""
    for result in results:
        lines = [
            command.line
            for command in result.run_state.commands
            if not command.scripted and not command.line.endswith(f": {EvaluateNow().text}")
        ]
        if lines:
            label, seed = plan.entrants[result.cell.entrant].label, result.cell.seed
            yield (
                f"run #{result.run} ({label}, seed {seed}) was changed while it trained ({'; '.join(lines)}): its "
                "result is not that of the schedule alone"
            )


@dataclass(frozen=True, slots=True)
class Placing:
    """A ranked entrant.

    Args:
        entrant: index in the plan.
        rank: rank by the mean at equal steps, from 1; ties share a rank.
        values: the metric at equal steps, by seed.
        mean: mean of the values.
        deviation: standard deviation of the values; None with one seed.
        difference: difference from the reference, paired over the seeds; None for the reference itself.
        reached: when it reached the target; None unless every seed did.
        reached_seeds: number of seeds that reached it.
        time_rank: rank by the steps to the target, from 1; ties share a rank; None if it did not reach it.
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
    """The standing of a race.

    Args:
        plan: plan of the race.
        objective: what decides the race.
        seeds: the seeds that all ranked entrants have finished.
        unranked: the others, in the order of the plan.
        unfinished: how many seeds are done, by entrant, of each that is in the race with fewer than all; some are
            ranked, by the seeds that they share with the others.
        warnings: reasons why the comparison is not fair.
        epoch: the epoch of the compared values, the last that all ranked entrants have finished.
        step: the step of the compared values.
        target: the value that the time to reach it is measured for; None if no entrant is ranked.
        reference: the entrant that the others are compared with; None if no entrant is ranked.
        placings: ranked entrants, the best first.
        lead: difference between the first and the second; None with fewer.
        test_samples: number of test samples; None if no entrant is ranked.
        data_text: description of the data; empty if no entrant is ranked.
    """

    plan: RacePlan
    objective: Objective
    seeds: tuple[int, ...]
    unranked: tuple[Unranked, ...]
    unfinished: Mapping[int, int]
    warnings: tuple[str, ...]
    epoch: int = 0
    step: int = 0
    target: float | None = None
    reference: int | None = None
    placings: tuple[Placing, ...] = ()
    lead: Difference | None = None
    test_samples: int | None = None
    data_text: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether the order is final: every entrant that is still in the race is ranked, with all seeds."""
        return not self.unfinished and len(self.seeds) == len(self.plan.seeds)

    @property
    def metric(self) -> str:
        """Name of the metric that decides the race."""
        return self.objective.metric

    @property
    def resolution(self) -> float:
        """The smallest step of a value: one test sample for an accuracy, 0 for others."""
        return 1 / (self.test_samples or 1) if self.metric == ACCURACY else 0.0

    def difference(self, first: Placing, second: Placing) -> Difference:
        """Return the difference of two ranked entrants, corrected for all pairs: results pick the two."""
        pairs = comb(len(self.placings), 2)
        return _difference(self, first.values, second.values, pairs)


def rank(plan: RacePlan, results: Sequence[CellResult]) -> Standing:
    """Return the standing of a race.

    Args:
        plan: plan of the race.
        results: results of all its runs, in the order of `plan.cells`.
    """
    by_cell = {result.cell: result for result in results}
    objective = objective_of_race(results)
    target_warnings: tuple[str, ...] = ()
    if objective.metric == ACCURACY and (refusal := accuracy_refusal(plan.target)):
        target_warnings = (f"{refusal}; the time to it is left out",)
        plan = replace(plan, target=None)
    unranked = {index: found for index in range(len(plan.entrants)) if (found := reason_unranked(plan, index, results))}
    in_race = [index for index in range(len(plan.entrants)) if index not in unranked]
    done = {index: [seed for seed in plan.seeds if by_cell[Cell(index, seed)].is_done] for index in in_race}
    ranked_entrants, seeds = _comparable(done, plan.seeds)
    unranked |= {index: unfinished(plan, index, results) for index in in_race if index not in ranked_entrants}
    others = tuple(unranked[index] for index in sorted(unranked))
    standing = Standing(
        plan,
        objective,
        seeds,
        others,
        {index: len(each) for index, each in done.items() if len(each) < len(plan.seeds)},
        (*target_warnings, *start_warnings(results), *change_warnings(plan, results)),
    )
    if not ranked_entrants:
        return standing
    ranked = {index: [by_cell[Cell(index, seed)] for seed in seeds] for index in ranked_entrants}
    any_run = ranked[ranked_entrants[0]][0]
    epoch = min(max(result.tests) for runs in ranked.values() for result in runs)
    target = plan.target if plan.target is not None else default_target(list(ranked.values()), objective)
    data, samples, device = (CIRCUMSTANCES[name](any_run.run_state) for name in ("data", "samples", "computed on"))
    standing = replace(
        standing,
        test_samples=any_run.test_samples,
        epoch=epoch,
        step=any_run.tests[epoch].step,
        target=target,
        data_text=f"data: {data}, {samples} samples; computed on {device}",
    )
    placings = _placings(standing, epoch, ranked, target)
    reference = REFERENCE if REFERENCE in ranked else placings[0].entrant
    standing = replace(standing, reference=reference, placings=placings)
    return replace(standing, lead=standing.difference(*placings[:2])) if len(placings) > 1 else standing


def _comparable(done: Mapping[int, Sequence[int]], seeds: Sequence[int]) -> tuple[list[int], tuple[int, ...]]:
    """Return the entrants that can be compared, and the seeds that they all have done.

    They are all in the race as soon as they share a seed; before that, those with all seeds done.

    Args:
        done: the seeds that each entrant in the race has done.
        seeds: all seeds of the race.
    """
    shared = tuple(seed for seed in seeds if done and all(seed in each for each in done.values()))
    if shared:
        return list(done), shared
    complete = [index for index, each in done.items() if len(each) == len(seeds)]
    return complete, tuple(seeds) if complete else ()


def mean_tests(standing: Standing, results: Sequence[CellResult]) -> dict[int, dict[int, float]]:
    """Return the metric of each entrant by epoch: the mean of its runs with the compared seeds.

    If no entrant is ranked, it is the mean of all its runs that have tests. Epochs that one of the runs has not
    reached, and means that are not finite, are left out, as are entrants without any.
    """
    by_cell = {result.cell: result for result in results}
    means: dict[int, dict[int, float]] = {}
    for entrant in range(len(standing.plan.entrants)):
        runs = [by_cell[Cell(entrant, seed)] for seed in standing.seeds or standing.plan.seeds]
        runs = [run for run in runs if run.tests]
        epochs = sorted(set.intersection(*(set(run.tests) for run in runs))) if runs else []
        for epoch in epochs:
            values = [run.value(standing.metric, epoch) for run in runs]
            # divided before they are added, so that no sum overflows
            mean = sum((math.nan if value is None else value) / len(runs) for value in values)
            if math.isfinite(mean):
                means.setdefault(entrant, {})[epoch] = mean
    return means


def _placings(
    standing: Standing, epoch: int, ranked: Mapping[int, Sequence[CellResult]], target: float
) -> tuple[Placing, ...]:
    metric, objective = standing.metric, standing.objective
    values = {
        index: {result.cell.seed: _value(result, metric, epoch) for result in runs} for index, runs in ranked.items()
    }
    means = {index: statistics.fmean(each.values()) for index, each in values.items()}
    order = sorted(ranked, key=lambda index: objective.order(means[index]))
    # the reference is chosen before the race; the leader is chosen by its results, which needs a correction for all
    # pairs that could have come first and second
    reference, compared = (REFERENCE, len(ranked) - 1) if REFERENCE in ranked else (order[0], comb(len(ranked), 2))
    times = {index: mean_reached(runs, objective, target) for index, runs in ranked.items()}
    steps = {index: reached.steps for index, (reached, _) in times.items() if reached is not None}
    return tuple(
        Placing(
            entrant=index,
            label=standing.plan.entrants[index].label,
            rank=1 + sum(objective.order(means[other]) < objective.order(means[index]) for other in ranked),
            values=values[index],
            mean=means[index],
            deviation=statistics.stdev(values[index].values()) if len(values[index]) > 1 else None,
            difference=None
            if index == reference
            else _difference(standing, values[index], values[reference], compared),
            reached=times[index][0],
            reached_seeds=times[index][1],
            time_rank=1 + sum(each < steps[index] for each in steps.values()) if index in steps else None,
        )
        for index in order
    )


def _difference(
    standing: Standing, mine: Mapping[int, float], theirs: Mapping[int, float], comparisons: int
) -> Difference:
    """Return the difference of two entrants, paired over the seeds."""
    return paired_difference(
        list(mine.values()),
        list(theirs.values()),
        better_high=standing.objective.higher,
        comparisons=max(1, comparisons),
        resolution=standing.resolution,
    )


def _value(result: CellResult, metric: str, epoch: int) -> float:
    value = result.value(metric, epoch)
    assert value is not None, "a finished run has a test at the end of every epoch"
    return value
