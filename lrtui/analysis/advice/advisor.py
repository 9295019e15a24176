"""The advisor of one run: asks each rule when there is something new for it, and says each thing once."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.advice.advice import Advice, Code
from lrtui.analysis.advice.lr_too_high import TooHigh
from lrtui.analysis.advice.not_finite import not_finite
from lrtui.analysis.advice.plateau import plateau
from lrtui.analysis.advice.remaining import Floats, Remaining
from lrtui.analysis.advice.schedule_exhausted import schedule_exhausted
from lrtui.analysis.advice.still_improving import still_improving
from lrtui.run.state import RunState


class Advisor:
    """Looks at a run's state and says what is new about it; used by one thread.

    Args:
        remaining: returns the lr still to come in the run, asked for only where the tests stand still.
    """

    def __init__(self, remaining: Remaining) -> None:
        self._remaining = remaining
        self._too_high = TooHigh()
        self._said: set[Code] = set()
        self._version = -1
        self._epochs = 0
        """Epochs that the rules of epochs have looked at."""
        self._in_vain = False
        """Whether what remains could not be told."""

    def look(self, state: RunState) -> list[Advice]:
        """Return what there is to say that was not said before.

        Args:
            state: the run's, folded up to now; what it was when nobody looked is seen all the same, save for what
                holds at an epoch's end, which is what holds at the latest one.
        """
        if state.started is None or (state.version == self._version and not self._in_vain):
            return []
        self._version = state.version
        new = []
        for advice in self._found(state):
            if advice.code not in self._said:
                self._said.add(advice.code)
                new.append(advice)
        return new

    def _found(self, state: RunState) -> Iterator[Advice]:
        if "lr-too-high" not in self._said and (advice := self._too_high.look(state)):
            yield advice
        if state.outcome is not None:
            yield from filter(None, (not_finite(state), still_improving(state)))
        elif len(state.epochs) != self._epochs:
            yield from filter(None, [self._of_epochs(state)])

    def _of_epochs(self, state: RunState) -> Advice | None:
        self._in_vain = False
        # what stands still at a dead lr, or one that breaks the model, is no plateau: the one that fits best is said
        advice = None
        if not self._said & {"schedule-exhausted", "lr-too-high"}:
            advice = schedule_exhausted(state, self._ask) or plateau(state, self._ask)
        if not self._in_vain:
            self._epochs = len(state.epochs)
        return advice

    def _ask(self, state: RunState) -> Floats | None:
        lrs = self._remaining(state)
        # it may be under way: the rules are asked again at the next look
        self._in_vain = lrs is None
        return lrs
