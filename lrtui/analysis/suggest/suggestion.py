"""A suggestion, and how confident it is."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from math import comb

from lrtui.analysis.race.entrant import Entrant
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.significance import paired_difference
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.verdict import interval_text
from lrtui.analysis.suggest.candidates import USER_SCHEDULE
from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.run.evaluations import ACCURACY
from lrtui.run.spec import RunSpec
from lrtui.text.format import counted, figure

NOISE = 2.0
"""Number of standard errors of the test set beyond which a difference with one seed is more than sampling noise."""


def describe_difference(standing: Standing, first: Placing, second: Placing) -> tuple[str, bool]:
    """Return a description of a difference, and whether it is more than noise."""
    gap = (first.mean - second.mean) * (1 if standing.better_high else -1)
    if len(standing.seeds) > 1:
        pair = paired_difference(
            [first.values[seed] for seed in standing.seeds],
            [second.values[seed] for seed in standing.seeds],
            better_high=standing.better_high,
            comparisons=comb(len(standing.placings), 2),
            resolution=1 / standing.test_samples if standing.better_high and standing.test_samples else 0.0,
        )
        beyond = pair.verdict == "better"
        text = f"{figure(gap)} {interval_text(pair)}, {'beyond' if beyond else 'within'} noise"
        return f"{text} over {counted(len(standing.seeds), 'seed')}", beyond
    error = _standard_error(standing, first, second)
    if error is None:
        return f"{figure(gap)}; one seed, so the noise of a loss is unknown", False
    ratio = gap / error
    text = "more than sampling noise" if ratio > NOISE else "may be noise"
    return (
        f"{figure(gap)}, {ratio:.1f} standard errors of the test set: {text} (other seeds may differ)",
        ratio > NOISE,
    )


def _standard_error(standing: Standing, first: Placing, second: Placing) -> float | None:
    """Return the standard error of the difference of two accuracies; that of one is sqrt(p (1 - p) / n)."""
    if standing.metric != ACCURACY or standing.test_samples is None:
        return None
    variance = (
        sum(max(p * (1 - p), 1 / standing.test_samples) for p in (first.mean, second.mean)) / standing.test_samples
    )
    return math.sqrt(variance)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The result of a search.

    Args:
        spec: of the run.
        winner: the best entrant, adapted to a run with these settings.
        range_test: its result.
        rounds: the standing of each short race, in order.
        full_run: the winner at full length; None if the budget did not allow it.
        budget: in full runs.
        spent: of the budget.
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
        seen = self.full_run is not None and self.full_run.is_done
        race = self._race_with_user_schedule
        if not seen or race is None:
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
        """The last race in which the user's schedule was ranked, with the placings of the winner and of it."""
        for standing in reversed(self.rounds):
            user = placing_of_user_schedule(standing)
            if user is not None:
                winner = next((each for each in standing.placings if each.label == self.winner.label), user)
                return standing, winner, user
        return None


def placing_of_user_schedule(standing: Standing) -> Placing | None:
    """Return the placing of the user's schedule, or None if it is not ranked."""
    return next((placing for placing in standing.placings if placing.label.startswith(USER_SCHEDULE)), None)
