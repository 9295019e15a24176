"""The runs of one front end, of which one at a time trains."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.log import LOG_LINES
from lrtui.run.range_feed import Sweep
from lrtui.run.spec import RunSpec

if TYPE_CHECKING:
    from lrtui.engine.range_test import RangeTestThread
    from lrtui.engine.resume import ResumePlan

STORE_SECONDS = 5.0
"""Seconds that a start waits for a locked store, during which the screen stands still."""


class Session:
    """The runs of one front end, in the order they were started; one trains at a time.

    Args:
        take_output: returns new lines that other code has written to standard output and error.
    """

    def __init__(self, take_output: Callable[[], list[str]] = list) -> None:
        self.runs: list[Run] = []
        self.unlogged: deque[str] = deque(maxlen=LOG_LINES)
        """Lines of output that came before the first run; they go to its log."""
        self._take_output = take_output
        self._range_test: RangeTestThread | None = None

    @property
    def live(self) -> Run | None:
        """The run that is training, or None."""
        return next((run for run in reversed(self.runs) if run.is_live), None)

    def start(self, spec: RunSpec, resume_plan: ResumePlan | None = None) -> Run:
        """Start a run and return it.

        Args:
            resume_plan: the stored run to resume or branch from, instead of a new run.

        Raises:
            LrtuiError: while another run is training.
        """
        run = Run(spec, number=1 + max((run.number for run in self.runs), default=0), resume_plan=resume_plan)
        self._check_none_running()
        run.start(STORE_SECONDS)
        # a resumed run takes the place of its earlier part
        self.runs = [other for other in self.runs if not run.is_recorded or other.id != run.id] + [run]
        return run

    def start_range_test(self, spec: RunSpec, sweep: Sweep) -> RangeTestThread:
        """Start a range test on the model that a run of these settings would start with, and return it.

        Raises:
            LrtuiError: while a run or another range test is running.
        """
        from lrtui.engine.range_test import RangeTestThread

        self._check_none_running()
        self._range_test = RangeTestThread(spec, sweep).start()
        return self._range_test

    def _check_none_running(self) -> None:
        """Check that no run is training, also in another process."""
        if (other := next((run for run in self.runs if not run.join(0)), None)) is not None:
            raise LrtuiError(f"{other.title} is still running. Stop it first")

    def poll(self) -> bool:
        """Fold the new events of all runs, add new output to the newest run's log; return whether there was any."""
        # a list, so that every run is polled
        has_events = any([bool(run.poll()) for run in self.runs])
        self.unlogged.extend(self._take_output())
        if not self.runs or not self.unlogged:
            return has_events
        while self.unlogged:
            self.runs[-1].state.log.add("output", self.unlogged.popleft())
        return True

    def close(self, seconds: float, because: str = "") -> bool:
        """Stop what is running and wait at most `seconds`; return whether no training thread is left.

        A remaining thread is inside torch, and ending the interpreter would abort the process, so the caller exits with
        `os._exit`.

        Args:
            because: why the run ends, if the user did not ask for it.
        """
        if self._range_test is not None:
            self._range_test.feed.stop()
        run = self.live
        if run is None:
            return self._range_test is None or self._range_test.join(seconds)
        run.send(Stop(because))
        return run.join(seconds)
