"""A suggestion, how confident it is, and the results that it is based on, as text and as JSON."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lrtui.analysis.race.plan import Entrant
from lrtui.analysis.race.report import interval_text
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.suggest.candidates import USER_SCHEDULE
from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.run.evaluations import ACCURACY, LOSS, metric_of
from lrtui.run.event_json import plain
from lrtui.run.spec import RunSpec
from lrtui.text.format import counted, figure, four_digits

NOISE = 2.0
"""Number of standard errors of the test set beyond which a difference with one seed is more than sampling noise."""


def describe_difference(standing: Standing, first: Placing, second: Placing) -> tuple[str, bool]:
    """Return a description of a difference, and whether it is more than noise."""
    gap = standing.objective.order(second.mean) - standing.objective.order(first.mean)
    if len(standing.seeds) > 1:
        pair = standing.difference(first, second)
        beyond = pair.verdict == "better"
        text = f"{figure(gap)} {interval_text(pair)}, {'beyond' if beyond else 'within'} noise"
        return f"{text} over {counted(len(standing.seeds), 'seed')}", beyond
    error = _standard_error(standing, first, second)
    if error is None:
        noise = "a loss" if standing.metric == LOSS else f"the {standing.metric}"
        return f"{figure(gap)}; one seed, so the noise of {noise} is unknown", False
    ratio = gap / error
    text = "more than sampling noise" if ratio > NOISE else "may be noise"
    return (
        f"{figure(gap)}, {ratio:.1f} standard errors of the test set: {text} (other seeds may differ)",
        ratio > NOISE,
    )


def _standard_error(standing: Standing, first: Placing, second: Placing) -> float | None:
    """Return the standard error of the difference of two accuracies; that of one is sqrt(p (1 - p) / n)."""
    samples = standing.test_samples
    if standing.metric != ACCURACY or samples is None:
        return None
    return math.sqrt(sum(max(p * (1 - p), 1 / samples) for p in (first.mean, second.mean)) / samples)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The result of a search.

    Args:
        spec: spec of the run.
        winner: the best entrant, adapted to a run with these settings.
        range_test: its result.
        rounds: the standing of each short race, in order.
        full_run: the winner at full length; None if the budget did not allow it.
        budget: budget in full runs.
        spent: spent part of the budget.
    """

    spec: RunSpec
    winner: Entrant
    range_test: RangeTestResult
    rounds: tuple[Standing, ...]
    full_run: CellResult | None
    budget: float
    spent: float

    @property
    def line(self) -> str:
        """The suggested notation, with the optimizer if that differs."""
        if self.winner.optimizer is None:
            return self.winner.schedule
        return f"{self.winner.schedule} --optimizer {shlex.quote(self.winner.optimizer)}"

    @property
    def command(self) -> str:
        """Shell command that trains it."""
        text = ["lrtui", "train", self.winner.schedule]
        text += ["--optimizer", self.winner.optimizer] if self.winner.optimizer else []
        return shlex.join(text)

    @property
    def confidence(self) -> str:
        """`good` if it finished a full run and beat the user's schedule beyond noise over several seeds; `fair` if it
        finished and beat it by more than sampling noise with one seed, or is that schedule; else `poor`.
        """
        has_finished = self.full_run is not None and self.full_run.is_done
        race = self._race_with_user_schedule
        if not has_finished or race is None:
            return "poor"
        standing, winner, user = race
        if winner is user:
            return "fair"
        if not describe_difference(standing, winner, user)[1]:
            return "poor"
        return "good" if len(standing.seeds) > 1 and self.range_test.rules_agree else "fair"

    @property
    def confidence_reason(self) -> str:
        """The reasons for the confidence."""
        race = self._race_with_user_schedule
        full = "finished a full run" if self.full_run and self.full_run.is_done else "has not finished a full run"
        rules = f"the range test rules {'agree' if self.range_test.rules_agree else 'disagree'}"
        if race is None:
            return f"it {full}; it did not race against your schedule; {rules}"
        standing, winner, user = race
        seeds = counted(len(standing.seeds), "seed")
        if winner is user:
            return f"it is your own schedule and {full}; no candidate beat it, with {seeds}"
        beyond = "more" if describe_difference(standing, winner, user)[1] else "no more"
        return f"it {full}; in short runs it is ahead of your schedule by {beyond} than noise, with {seeds}; {rules}"

    @property
    def _race_with_user_schedule(self) -> tuple[Standing, Placing, Placing] | None:
        """The last race in which the user's schedule was ranked, the winner's placing, and the user schedule's."""
        for standing in reversed(self.rounds):
            user = placing_of_user_schedule(standing)
            if user is not None:
                # the user's own schedule won if no label matches, since its label has a prefix
                winner = next((each for each in standing.placings if each.label == self.winner.label), user)
                return standing, winner, user
        return None


def placing_of_user_schedule(standing: Standing) -> Placing | None:
    """Return the placing of the user's schedule, or None if it is not ranked."""
    return next((placing for placing in standing.placings if placing.label.startswith(USER_SCHEDULE)), None)


# -- results -----------------------------------------------------------------------------------------------------------


CONFIDENCE_TEXT = {"good": "high", "fair": "moderate", "poor": "low"}


def reason_lines(suggestion: Suggestion) -> Iterator[str]:
    """Yield what the suggestion is based on, one sentence per line."""
    rounds = suggestion.rounds
    yield _range_test_line(suggestion.range_test)
    if not rounds:
        yield "no race: the budget is too small for one, so only the lr was searched"
    for standing in rounds:
        yield from _round_lines(standing)
    yield from _full_run_lines(suggestion)
    yield f"spent: {suggestion.spent:.2f} of {counted(suggestion.budget, 'full run')}"
    yield f"confidence: {CONFIDENCE_TEXT[suggestion.confidence]}: {suggestion.confidence_reason}"


def _range_test_line(range_test: RangeTestResult) -> str:
    steps, lr = counted(range_test.steps, "step"), four_digits(range_test.lr)
    if range_test.doubt:
        return f"range test: {steps}; {range_test.doubt}, so the search used lr {lr}"
    rules = ", ".join(
        f"{name} {'none' if lr is None else four_digits(lr)}" for name, lr in range_test.suggestions.lrs.items()
    )
    agree = "agree" if range_test.rules_agree else "disagree"
    spread = f"the largest is {range_test.suggestions.spread or 1.0:.1f} times the smallest"
    return f"range test: {steps}; lr {lr} ({rules}; they {agree}, {spread})"


def _round_lines(standing: Standing) -> Iterator[str]:
    epochs, seeds = counted(standing.plan.common.epochs, "epoch"), counted(len(standing.seeds), "seed")
    yield f"{standing.plan.title}: {epochs}, {seeds}, each schedule shortened to that length; {standing.metric}:"
    for placing in standing.placings:
        yield f"  {figure(placing.mean)}  {placing.label}"
    for unranked in standing.unranked:
        yield f"  {unranked.why}  {unranked.label}"
    if len(standing.placings) > 1:
        first, second = standing.placings[:2]
        yield f"  the first is ahead of the second by {describe_difference(standing, first, second)[0]}"
    user = placing_of_user_schedule(standing)
    if user is not None and len(standing.placings) > 1 and user not in standing.placings[:2]:
        yield f"  the first is ahead of your schedule by {describe_difference(standing, standing.placings[0], user)[0]}"


def _full_run_lines(suggestion: Suggestion) -> Iterator[str]:
    result, rounds = suggestion.full_run, suggestion.rounds
    epochs = suggestion.spec.length
    if result is None:
        yield f"no full run: the budget does not cover {epochs}, so the result at full length is unknown"
        return
    test, best = result.last_test, result.run_state.best
    if not result.is_done or test is None or best is None:
        yield f"full run {result.state} at step {result.step:,} of {result.run_state.total_steps:,} (run #{result.run})"
        return
    metric = result.run_state.objective.metric
    values = f"{metric} {figure(metric_of(test, metric))}, best {figure(metric_of(best, metric))}"
    seed = rounds[0].plan.common.seed if rounds else suggestion.spec.seed
    yield f"full run, {epochs}, seed {seed}: {values} in epoch {best.epoch} (run #{result.run})"


def suggestion_record(suggestion: Suggestion) -> dict[str, Any]:
    """Return the suggestion as plain JSON values."""
    range_test, result = suggestion.range_test, suggestion.full_run
    test = None if result is None else result.last_test
    return {
        "schedule": suggestion.winner.schedule,
        "optimizer": suggestion.winner.optimizer or suggestion.spec.optimizer,
        "command": suggestion.command,
        "sureness": suggestion.confidence,
        "sureness_words": suggestion.confidence_reason,
        "lr": range_test.lr,
        "suggestions": plain(range_test.suggestions.lrs),
        "rules_agree": range_test.rules_agree,
        "range_test_steps": range_test.steps,
        "rounds": [
            {
                "race": standing.plan.number,
                "epochs": standing.plan.common.epochs,
                "seeds": list(standing.seeds),
                "metric": standing.metric,
                "placings": [{"label": placing.label, "mean": placing.mean} for placing in standing.placings],
            }
            for standing in suggestion.rounds
        ],
        "in_full": None
        if result is None
        else {
            "run": result.run,
            "state": result.state,
            "epochs": suggestion.spec.epochs,
            "accuracy": None if test is None else plain(test.accuracy),
            "metrics": {} if test is None else plain(test.metrics),
            "loss": None if test is None else plain(test.loss),
        },
        "budget": suggestion.budget,
        "spent": suggestion.spent,
        "basis": list(reason_lines(suggestion)),
    }
