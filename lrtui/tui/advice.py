"""The advice on screen: every live run has an advisor, which examines its state when it changes.

A log takes no commands: when it is on screen, what it shows is examined as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import AFTER_THE_RUN, Advice
from lrtui.analysis.advice.advisor import Advisor
from lrtui.analysis.advice.recorded_advice import advice_on
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, highest_remaining_lrs, never_rises, remaining_lrs
from lrtui.tui.run_list.source_runs import ShownRun, SourceRun
from lrtui.tui.view import Scene

GROWTH = 1.05
"""Growth of a log, in steps, after which it is examined again if nothing else has changed."""


@dataclass(slots=True)
class _AdvisedRun:
    """A run, its advisor, and the advice so far, the latest last."""

    run: ShownRun
    advisor: Advisor
    advice: list[Advice] = field(default_factory=list)

    def new_advice(self, scene: Scene) -> list[Advice]:
        """Return the advice that was not given before, which is kept."""
        new = self.advisor.new_advice(self.run.state)
        if not self.run.is_recorded:
            new = [advice.without_branch() for advice in new]
        if self.run is not scene.session.live:
            new = [advice.without_restart() for advice in new]
        self.advice += new
        return new

    def dismiss(self) -> None:
        """Drop all advice."""
        self.advice.clear()


@dataclass(slots=True)
class _AdvisedLog:
    """A log, and the advice on what it has shown so far, the most severe last."""

    run: SourceRun
    advice: list[Advice] = field(default_factory=list)
    _given: set[str] = field(default_factory=set)
    _dismissed: set[str] = field(default_factory=set)
    _seen: tuple[int, int, int, bool] | None = None
    _step: int = -1

    def new_advice(self, scene: Scene) -> list[Advice]:
        """Examine the log if it has changed enough; return the advice that was not given before."""
        run, state = self.run, self.run.state
        seen = (len(state.evaluations), len(state.epochs), state.first_step, run.is_live)
        is_known = seen == self._seen and self._step <= state.step <= max(self._step, GROWTH * self._step)
        if state.started is None or run is not scene.run or is_known:
            return []
        self._seen, self._step = seen, state.step
        found = advice_on(state, is_over=not run.is_live)
        self.advice = [each for each in reversed(found) if each.code not in self._dismissed]
        new = [each for each in self.advice if each.code not in self._given]
        self._given |= {each.code for each in new}
        return new

    def dismiss(self) -> None:
        """Drop all advice, and do not give it again."""
        self._dismissed |= {each.code for each in self.advice}
        self.advice = []


class RunAdvice:
    """Collects the advice on runs that are live, or have just ended."""

    def __init__(self) -> None:
        self._advised: dict[int, _AdvisedRun | _AdvisedLog] = {}
        self._scene: Scene | None = None

    def update(self, scene: Scene) -> list[tuple[ShownRun, Advice]]:
        """Collect and log new advice, show the advice on the run on screen, and return the new advice."""
        self._scene, new = scene, []
        for run in scene.runs:
            advised = self._advised_run(run)
            if advised is None:
                continue
            for advice in advised.new_advice(scene):
                text = f"advice: {advice.title}: {advice.text}; "
                if advice.is_for_next_run:
                    run.state.note("warning", text + advice.effect)
                    # what an old log shows is no news
                    new += [(run, advice)] if run.is_live else []
                    continue
                new.append((run, advice))
                key = ACTIONS_BY_NAME[advice.action].key(scene.view.keys)
                run.state.note("warning", f"{text}{key} {advice.effect}")
        current = self._current(scene)
        if current is not scene.view.advice:
            scene.view.advice = current
            scene.view.changed()
        return new

    def _advised_run(self, run: ShownRun) -> _AdvisedRun | _AdvisedLog | None:
        """Return what examines a run; None for one that needs no advice."""
        advised = self._advised.get(run.number)
        if advised is not None and advised.run is run:
            return advised
        if isinstance(run, SourceRun) and run.summary.log is not None:
            advised = _AdvisedLog(run)
        elif run.state.is_live:
            advised = _AdvisedRun(run, Advisor(partial(self._remaining_lr, run.number)))
        else:
            # a run that ended before it was shown needs no advice
            return None
        self._advised[run.number] = advised
        return advised

    def dismiss(self, number: int | None) -> None:
        """Drop the advice on a run."""
        advised = self._advised.get(number or 0)
        if advised is not None:
            advised.dismiss()

    def _current(self, scene: Scene) -> Advice | None:
        """Return the latest advice on the run on screen that still applies and that can be followed with a key."""
        run = scene.run
        advised = self._advised.get(run.number) if run is not None else None
        if run is None or advised is None or advised.run is not run:
            return None
        advised.advice = [advice for advice in advised.advice if advice.still_applies(run.state)]
        latest = next(reversed(advised.advice), None)
        takes_commands = run is scene.command_target and scene.situation.takes_changes
        can_follow = latest is not None and (takes_commands or latest.code in AFTER_THE_RUN or latest.is_for_next_run)
        return latest if can_follow else None

    def _remaining_lr(self, number: int, state: RunState) -> Floats | None:
        """Return a run's lr from now to its end; None until its forecast has been computed."""
        if never_rises(state):
            return highest_remaining_lrs(state)
        future = self._scene.futures.get(number) if self._scene else None
        return None if future is None else remaining_lrs(state, future.start_step, future.lrs)
