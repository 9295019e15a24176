"""Schedules that were kept to be seen beside the one that is being chosen, for as long as the cockpit is open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from lrtui.tui.forecast import Answer, Question

LETTERS = "ABCD"
"""What candidates are called; there are no more of them than that."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that was kept.

    Args:
        letter: what it is called.
        schedule: notation, as the user gave it.
        anchor: what it builds on where a run is switched to it.
        answer: its curve for what a schedule is being chosen for; one without a curve while that is awaited.
    """

    letter: str
    schedule: str
    anchor: str
    answer: Answer

    @property
    def place(self) -> int:
        """Which of the letters it has, from 0: it keeps its colour when others go."""
        return LETTERS.index(self.letter)


@dataclass(slots=True)
class Candidates:
    """Those that were kept, in the order of their letters."""

    _kept: dict[str, Candidate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(sorted(self._kept.values(), key=lambda candidate: candidate.letter))

    def of(self, schedule: str, anchor: str) -> Candidate | None:
        """Return the candidate that is that schedule on that anchor, or None."""
        return next((kept for kept in self if (kept.schedule, kept.anchor) == (schedule, anchor)), None)

    def toggle(self, answer: Answer, anchor: str) -> str:
        """Keep a schedule by its curve, or take away the candidate that it is.

        Returns:
            What was done, in words; where four are kept and this is none of them, that it can't be.
        """
        schedule = answer.question.schedule
        if (there := self.of(schedule, anchor)) is not None:
            del self._kept[there.letter]
            return f"{there.letter} is no candidate any more"
        free = [letter for letter in LETTERS if letter not in self._kept]
        if not free:
            return f"{len(LETTERS)} candidates are kept: go to one with ctrl+n, and take it away with ctrl+k"
        self._kept[free[0]] = Candidate(free[0], schedule, anchor, answer)
        return f"kept as candidate {free[0]}; the same key takes it away again"

    def after(self, candidate: Candidate | None) -> Candidate | None:
        """Return the next one, the first after the last and after None; None where there is none."""
        kept = list(self)
        if not kept:
            return None
        at = kept.index(candidate) if candidate is not None else -1
        return kept[(at + 1) % len(kept)]

    def ask_anew(self, question_of: Callable[[Candidate], Question]) -> dict[str, Question]:
        """Drop the curves that are of another run's course, or of another moment of it.

        Returns:
            The questions whose answers are wanted now, by letter.
        """
        wanted = {}
        for candidate in self:
            question = question_of(candidate)
            if question != candidate.answer.question:
                self._kept[candidate.letter] = replace(candidate, answer=Answer(question))
                wanted[candidate.letter] = question
        return wanted

    def take(self, answer: Answer) -> bool:
        """Keep a curve for the candidates that asked for it; return whether there is one."""
        # two that differ in their anchors alone have one curve where no run is switched
        asking = [candidate for candidate in self if candidate.answer.question == answer.question]
        for candidate in asking:
            self._kept[candidate.letter] = replace(candidate, answer=answer)
        return bool(asking)

    def schedules_with(self, schedule: str | None) -> list[str]:
        """Return the candidates' notations and this one, each once."""
        notations = [candidate.schedule for candidate in self]
        return list(dict.fromkeys([*notations, *([schedule] if schedule else [])]))
