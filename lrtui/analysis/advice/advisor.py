"""The advisor of one run: applies the rules to new events and gives each piece of advice once."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.advice.advice import Advice, Code
from lrtui.analysis.advice.lr_too_high import LrTooHighRule
from lrtui.analysis.advice.not_finite import not_finite
from lrtui.analysis.advice.plateau import plateau
from lrtui.analysis.advice.relative_threshold import relative_threshold
from lrtui.analysis.advice.schedule_exhausted import schedule_exhausted
from lrtui.analysis.advice.still_improving import still_improving
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, RemainingLrs


class Advisor:
    """Applies the rules to the state of one run; used by one thread.

    Args:
        remaining: returns the lr of the steps to come, or None while it is not known. It is called only when the test
            results have stopped improving, because it can be slow.
    """

    def __init__(self, remaining: RemainingLrs) -> None:
        self._remaining = remaining
        self._lr_too_high = LrTooHighRule()
        self._given: set[Code] = set()
        self._version = -1
        self._epochs = 0
        """Number of epochs that the epoch rules have examined."""
        self._forecast_missing = False

    def new_advice(self, state: RunState) -> list[Advice]:
        """Return the advice that was not given before.

        Args:
            state: the run's current state. Calls may be far apart: every step is examined, but only the latest epoch.
        """
        if state.started is None or (state.version == self._version and not self._forecast_missing):
            return []
        self._version = state.version
        new = []
        for advice in self._apply_rules(state):
            if state.started.spec.is_attached and advice.action in ("restart", "branch"):
                # only the script itself can start again
                continue
            if advice.code not in self._given:
                self._given.add(advice.code)
                new.append(advice)
        return new

    def _apply_rules(self, state: RunState) -> Iterator[Advice]:
        if "lr-too-high" not in self._given and (advice := self._lr_too_high.examine(state)):
            yield advice
        if state.outcome is not None:
            yield from filter(None, (not_finite(state), still_improving(state)))
        elif len(state.epochs) != self._epochs:
            yield from filter(None, [self._apply_epoch_rules(state)])

    def _apply_epoch_rules(self, state: RunState) -> Advice | None:
        self._forecast_missing = False
        advice = None
        # a run that stops improving because its lr is dead or too high is not on a plateau
        if not self._given & {"schedule-exhausted", "lr-too-high"}:
            advice = (
                schedule_exhausted(state, self._forecast) or plateau(state, self._forecast) or relative_threshold(state)
            )
        if not self._forecast_missing:
            self._epochs = len(state.epochs)
        return advice

    def _forecast(self, state: RunState) -> Floats | None:
        lrs = self._remaining(state)
        # the forecast may not be ready yet: the rules run again on the next call
        self._forecast_missing = lrs is None
        return lrs
