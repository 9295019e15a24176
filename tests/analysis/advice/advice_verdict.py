"""Plays a run's events to an advisor, as they came, and holds what it says against what is known of the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from known_runs import KnownRun

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.advisor import Advisor
from lrtui.analysis.advice.remaining import Remaining, Simulated
from lrtui.run.events import Event
from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class Said:
    """An advice, and how many epochs were done when it came."""

    advice: Advice
    epochs: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of a run, by whether it was right.

    Args:
        found: codes that had to come, and came.
        missed: codes that had to come, and did not.
        false: codes that came and should not have.
    """

    found: frozenset[str]
    missed: frozenset[str]
    false: frozenset[str]

    @property
    def words(self) -> str:
        """The verdict in a line."""
        parts = (("found", self.found), ("missed", self.missed), ("FALSE ALARM", self.false))
        return "; ".join(f"{name} {', '.join(sorted(codes))}" for name, codes in parts if codes) or "rightly silent"


def advice_on(events: Iterable[Event], remaining: Remaining | None = None) -> list[Said]:
    """Return all that the advisor says of a run, looked at after each event."""
    state, advisor, said = RunState(), Advisor(remaining or Simulated()), []
    for event in events:
        state.fold([event])
        said += [Said(advice, len(state.epochs)) for advice in advisor.look(state)]
    return said


def judge(kind: KnownRun, events: Iterable[Event]) -> Verdict:
    """Return what is right and wrong of what is said of the run."""
    codes = frozenset(said.advice.code for said in advice_on(events))
    return Verdict(codes & kind.expected, kind.expected - codes, codes - kind.expected - kind.also_right)
