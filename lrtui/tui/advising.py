"""Which advice the screen shows: each run's advisor is asked as its events come in, and what it says is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import AFTER_THE_RUN, Advice
from lrtui.analysis.advice.advisor import Advisor
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, follows_metric, highest_remaining_lrs, remaining_lrs
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import Scene


@dataclass(slots=True)
class _Advised:
    """A run, its advisor, and what that said; the latest is the last."""

    run: ShownRun
    advisor: Advisor
    said: list[Advice] = field(default_factory=list)


class Advising:
    """Asks the advisors of the runs that go on here, or did until now."""

    def __init__(self) -> None:
        self._advised: dict[int, _Advised] = {}
        self._scene: Scene | None = None

    def look(self, scene: Scene) -> None:
        """Hear what there is to say, put it into the runs' logs, and the one of the run on screen into the view."""
        self._scene = scene
        for run in scene.runs:
            advised = self._advised.get(run.number)
            if advised is None or advised.run is not run:
                # what was over when it came on screen needs no advice
                if not run.state.is_live:
                    continue
                advised = self._advised[run.number] = _Advised(run, Advisor(self._remaining_of(run.number)))
            for advice in advised.advisor.new_advice(run.state):
                if not run.is_recorded:
                    advice = advice.without_branch()
                if run is not scene.session.live:
                    advice = advice.without_restart()
                advised.said.append(advice)
                key = ACTIONS_BY_NAME[advice.action].key(scene.view.keys)
                run.state.note("warning", f"advice: {advice.title}: {advice.text}; {key} {advice.effect}")
        current = self._current(scene)
        if current is not scene.view.advice:
            scene.view.advice = current
            scene.view.changed()

    def dismiss(self, number: int | None) -> None:
        """Say no more of what is said of the run."""
        advised = self._advised.get(number or 0)
        if advised is not None:
            advised.said.clear()

    def _current(self, scene: Scene) -> Advice | None:
        """Return the latest advice on the run on screen that still holds and that keys can act on."""
        run = scene.run
        advised = self._advised.get(run.number) if run is not None else None
        if run is None or advised is None or advised.run is not run:
            return None
        advised.said = [advice for advice in advised.said if advice.still_applies(run.state)]
        latest = next(reversed(advised.said), None)
        reaches = latest is not None and (run is scene.commanded or latest.code in AFTER_THE_RUN)
        return latest if reaches else None

    def _remaining_of(self, number: int) -> _Remaining:
        return _Remaining(self, number)

    def remaining(self, number: int, state: RunState) -> Floats | None:
        """Return the lr still to come in a run, as the forecast of its schedule has it; None until that has come."""
        if follows_metric(state):
            return highest_remaining_lrs(state)
        future = self._scene.futures.get(number) if self._scene else None
        return None if future is None else remaining_lrs(state, future.start_step, future.lrs)


@dataclass(frozen=True, slots=True)
class _Remaining:
    advising: Advising
    number: int

    def __call__(self, state: RunState) -> Floats | None:
        return self.advising.remaining(self.number, state)
