"""A session whose runs are lists of events: commands are recorded instead of obeyed, nothing trains, no clock runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lrtui.engine.range_test import RangeTestThread
from lrtui.engine.resume import ResumePlan
from lrtui.engine.run import Run
from lrtui.engine.session import Session
from lrtui.opening import WatchedLogs
from lrtui.run.commands import Command
from lrtui.run.events import Event, RunStarted
from lrtui.run.range_feed import Sweep
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_schedule
from lrtui.tui.app import CockpitApp
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.run_list.watcher import SourceWatcher
from lrtui.tui.view import View


class PlayedRun(Run):
    """A run with given events; it is live as long as its state is."""

    def __init__(self, number: int, events: Sequence[Event], spec: RunSpec | None = None) -> None:
        started = next((event for event in events if isinstance(event, RunStarted)), None)
        super().__init__(spec or (started.spec if started else RunSpec()), number=number)
        self.sent: list[Command] = []
        self.to_come = list(events)
        self.poll()

    def start(self) -> Run:
        """Train nothing."""
        return self

    def send(self, command: Command | str) -> None:
        assert isinstance(command, Command)
        self.sent.append(command)

    def say(self, *events: Event) -> None:
        """Add events to the run."""
        self.to_come += events

    def poll(self, limit: int = 10**9) -> list[Event]:
        events, self.to_come = self.to_come, []
        self.state.fold(events)
        return events

    @property
    def is_live(self) -> bool:
        return self.state.is_live


class PlayedSession(Session):
    """A session of such runs; runs that are started have no events.

    Args:
    first: number of the first run.
    """

    def __init__(self, *recordings: Sequence[Event], first: int = 1) -> None:
        super().__init__()
        self.range_tests: list[RangeTestThread] = []
        self.resume_plans: list[ResumePlan | None] = []
        self.runs: list[Run] = [PlayedRun(number, events) for number, events in enumerate(recordings, start=first)]

    def start(self, spec: RunSpec, resume_plan: ResumePlan | None = None) -> Run:
        self.resume_plans.append(resume_plan)
        run = PlayedRun(len(self.runs) + 1, [], spec)
        self.runs.append(run)
        return run

    def start_range_test(self, spec: RunSpec, sweep: Sweep) -> RangeTestThread:
        self.range_tests.append(RangeTestThread(spec, sweep))
        return self.range_tests[-1]

    @property
    def last(self) -> PlayedRun:
        run = self.runs[-1]
        assert isinstance(run, PlayedRun)
        return run


def drawn_curve(request: CurveRequest) -> CurveResult:
    """Return a falling straight line instead of the real curve, so that snapshots don't need torch."""
    schedule = parse_schedule(request.schedule)
    horizon = Horizon(request.epochs, request.batches_per_epoch, request.start_step)
    lrs = np.linspace(0.006, 0.0, horizon.steps + 1)[:-1, None]
    return CurveResult(request, lrs, str(fill_in(schedule, horizon)[0]), findings=() if request.checked else None)


class PlayedApp(CockpitApp):
    """The cockpit on a played session; curves are delivered immediately."""

    def __init__(
        self,
        session: PlayedSession,
        view: View | None = None,
        *,
        start: bool = False,
        watched: WatchedLogs | None = None,
        watcher: SourceWatcher | None = None,
    ) -> None:
        view = view or View(RunSpec(), selected=len(session.runs) or None)
        super().__init__(session, view, start=start, load=lambda: None, watched=watched, watcher=watcher)
        self.session, self.view = session, view
        self.asked: list[CurveRequest] = []
        self.curve: Callable[[CurveRequest], CurveResult] = drawn_curve

    def ask(self, slot: str, request: CurveRequest) -> None:
        self.asked.append(request)
        answer = self.curve(request)
        self.call_later(lambda: [take(slot, answer) for take in self._takers()])

    def _takers(self) -> list[Callable[[str, CurveResult], None]]:
        return [screen.take_forecast for screen in self.screen_stack if hasattr(screen, "take_forecast")]
