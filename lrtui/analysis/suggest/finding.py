"""The range test as `suggest` sees it: one call, and what it found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lrtui.run.lr_rules import CLOSE
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say


@dataclass(frozen=True, slots=True)
class Finding:
    """What a range test found.

    Args:
        lr: that it suggests.
        suggestions: of each rule, by its name; None where a rule has none.
        steps: optimizer steps that it took.
        batches_per_epoch: of the task.
        doubt: why the curve can't be relied on, in words; empty where it can. The lr is then the optimizer's own.
    """

    lr: float
    suggestions: Mapping[str, float | None]
    steps: int
    batches_per_epoch: int
    doubt: str = ""

    @property
    def spread(self) -> float:
        """The largest suggestion by the smallest."""
        values = [value for value in self.suggestions.values() if value is not None and value > 0]
        return max(values) / min(values) if values else 1.0

    @property
    def rules_agree(self) -> bool:
        """Whether two rules or more have a suggestion, all of them within a factor."""
        given = [value for value in self.suggestions.values() if value is not None]
        return not self.doubt and len(given) > 1 and self.spread <= CLOSE

    @property
    def highest(self) -> float:
        """The largest suggestion, or the lr itself where none can be relied on."""
        if self.doubt:
            return self.lr
        return max((value for value in self.suggestions.values() if value is not None), default=self.lr)


Find = Callable[[RunSpec, float, Say, Callable[[], bool]], Finding]
"""Makes a range test; takes the settings, the search's budget, what narration goes to, and what says to stop."""
