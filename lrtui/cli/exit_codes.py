"""What the process says to the shell at its end."""

from __future__ import annotations

from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.events import Outcome

DONE, FAILED, WRONG_WORDS, DIVERGED = 0, 1, 2, 3

HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143
"""128 plus the signal's number, as shells have it."""

_OF_OUTCOME: dict[Outcome, int] = {"done": DONE, "stopped": DONE, "failed": FAILED, "diverged": DIVERGED}


def exit_code(outcome: Outcome, error: LrtuiError | None) -> int:
    """Return the code of a run that ended like this; words that only showed to be off later are still off."""
    return WRONG_WORDS if isinstance(error, UsageError) else _OF_OUTCOME[outcome]
