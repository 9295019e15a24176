"""The picker's candidates: schedules that were kept to be seen beside the one that is being chosen. Knows no widget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lrtui.tui.forecast import Answer, Question

LETTERS = "ABCD"
"""What candidates are called; there are no more of them than that."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that was kept.

    Args:
        letter: what it is called.
        answer: its curve.
    """

    letter: str
    answer: Answer

    @property
    def schedule(self) -> str:
        """Its notation, as the user gave it."""
        return self.answer.question.schedule

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

    def of(self, question: Question | None) -> Candidate | None:
        """Return the candidate with that very curve, or None."""
        return next((candidate for candidate in self if candidate.answer.question == question), None)

    def toggle(self, answer: Answer) -> str:
        """Keep a curve, or take away the candidate that it is.

        Returns:
            What was done, in words; where four are kept and this is none of them, that it can't be.
        """
        if (there := self.of(answer.question)) is not None:
            del self._kept[there.letter]
            return f"{there.letter} is no candidate any more"
        free = [letter for letter in LETTERS if letter not in self._kept]
        if not free:
            return f"{len(LETTERS)} candidates are kept: go to one with ctrl+n, and take it away with ctrl+k"
        self._kept[free[0]] = Candidate(free[0], answer)
        return f"kept as candidate {free[0]}; the same key takes it away again"

    def after(self, question: Question | None) -> Candidate | None:
        """Return the next candidate after the one that the question is of, the first after the last; None for none."""
        kept = list(self)
        if not kept:
            return None
        at = next((at for at, candidate in enumerate(kept) if candidate.answer.question == question), -1)
        return kept[(at + 1) % len(kept)]

    def schedules_with(self, schedule: str | None) -> list[str]:
        """Return the candidates' notations and this one, each once."""
        notations = [candidate.schedule for candidate in self]
        return list(dict.fromkeys([*notations, *([schedule] if schedule else [])]))
