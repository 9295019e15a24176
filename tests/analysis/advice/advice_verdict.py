"""Feeds a run's events to an advisor and compares its advice with the advice that is expected for the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from known_runs import KnownRun

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.advisor import Advisor
from lrtui.run.events import Event
from lrtui.run.state import RunState
from lrtui.schedules.forecast import RemainingLrs, RunForecaster


@dataclass(frozen=True, slots=True)
class GivenAdvice:
    """A piece of advice, and the number of epochs done when it was given."""

    advice: Advice
    epochs: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the advice on a run is right.

    Args:
        found: expected codes that were given.
        missed: expected codes that were not given.
        false: codes that were given although they are wrong.
    """

    found: frozenset[str]
    missed: frozenset[str]
    false: frozenset[str]

    @property
    def summary(self) -> str:
        """The verdict in one line."""
        parts = (("found", self.found), ("missed", self.missed), ("FALSE ALARM", self.false))
        return (
            "; ".join(f"{name} {', '.join(sorted(codes))}" for name, codes in parts if codes)
            or "no advice, as expected"
        )


def advice_on(events: Iterable[Event], remaining: RemainingLrs | None = None) -> list[GivenAdvice]:
    """Return all advice on a run; the rules are applied after every event."""
    state, advisor = RunState(), Advisor(remaining or RunForecaster())
    given: list[GivenAdvice] = []
    for event in events:
        state.fold([event])
        given += [GivenAdvice(advice, len(state.epochs)) for advice in advisor.new_advice(state)]
    return given


def verdict_on(known: KnownRun, events: Iterable[Event]) -> Verdict:
    """Return how the advice on a run compares with what is expected."""
    codes = frozenset(given.advice.code for given in advice_on(events))
    return Verdict(codes & known.expected, known.expected - codes, codes - known.expected - known.accepted)
