"""A finding: what a check says of a schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap that a schedule is in, for a given optimizer and length of run.

    Args:
        code: identifies the trap, for programs and for `lrtui check --explain`.
        message: what will happen, with the figures that show it, one sentence.
        fix: the corrected notation of the whole schedule; None where the notation alone can't mend it. It was read
            back, stepped to the run's end, and does not have the finding.
    """

    code: str
    message: str
    fix: str | None = None

    def __str__(self) -> str:
        better = f" (better: {self.fix})" if self.fix else ""
        return f"{self.code}: {self.message}{better}"
