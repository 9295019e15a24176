"""The advice on screen: every live run has an advisor, which examines its state when it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import AFTER_THE_RUN, Advice
from lrtui.analysis.advice.advisor import Advisor
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, highest_remaining_lrs, never_rises, remaining_lrs
from lrtui.tui.run_list.source_runs import ShownRun
from lrtui.tui.view import Scene


@dataclass(slots=True)
class _AdvisedRun:
    """A run, its advisor, and the advice so far, the latest last."""

    run: ShownRun
    advisor: Advisor
    advice: list[Advice] = field(default_factory=list)


class RunAdvice:
    """Collects the advice on runs that are live, or have just ended."""

    def __init__(self) -> None:
        self._advised: dict[int, _AdvisedRun] = {}
        self._scene: Scene | None = None

    def update(self, scene: Scene) -> list[tuple[ShownRun, Advice]]:
        """Collect and log new advice, show the advice on the run on screen, and return the new advice."""
        self._scene, new = scene, []
        for run in scene.runs:
            advised = self._advised.get(run.number)
            if advised is None or advised.run is not run:
                # a run that ended before it was shown needs no advice
                if not run.state.is_live:
                    continue
                advised = self._advised[run.number] = _AdvisedRun(run, Advisor(partial(self._remaining_lr, run.number)))
            for advice in advised.advisor.new_advice(run.state):
                if not run.is_recorded:
                    advice = advice.without_branch()
                if run is not scene.session.live:
                    advice = advice.without_restart()
                advised.advice.append(advice)
                new.append((run, advice))
                key = ACTIONS_BY_NAME[advice.action].key(scene.view.keys)
                run.state.note("warning", f"advice: {advice.title}: {advice.text}; {key} {advice.effect}")
        current = self._current(scene)
        if current is not scene.view.advice:
            scene.view.advice = current
            scene.view.changed()
        return new

    def dismiss(self, number: int | None) -> None:
        """Drop the advice on a run."""
        advised = self._advised.get(number or 0)
        if advised is not None:
            advised.advice.clear()

    def _current(self, scene: Scene) -> Advice | None:
        """Return the latest advice on the run on screen that still applies and that can be followed with a key."""
        run = scene.run
        advised = self._advised.get(run.number) if run is not None else None
        if run is None or advised is None or advised.run is not run:
            return None
        advised.advice = [advice for advice in advised.advice if advice.still_applies(run.state)]
        latest = next(reversed(advised.advice), None)
        takes_commands = run is scene.command_target and scene.situation.takes_changes
        can_follow = latest is not None and (takes_commands or latest.code in AFTER_THE_RUN)
        return latest if can_follow else None

    def _remaining_lr(self, number: int, state: RunState) -> Floats | None:
        """Return a run's lr from now to its end; None until its forecast has been computed."""
        if never_rises(state):
            return highest_remaining_lrs(state)
        future = self._scene.futures.get(number) if self._scene else None
        return None if future is None else remaining_lrs(state, future.start_step, future.lrs)
