"""What draws the attention of a user who looks elsewhere: the bell, and notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lrtui.tui.run_list.source_runs import ShownRun, key_of
from lrtui.tui.view import View

if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice


class Alerts:
    """Rings the bell and sends notifications, if the user has set that.

    Args:
        view: the user's settings.
        ring: rings the bell.
    """

    def __init__(self, view: View, ring: Callable[[], None]) -> None:
        self._view, self._ring = view, ring
        self._live: set[int] = set()

    def update(self, runs: Iterable[ShownRun]) -> None:
        """Report the runs that were live at the last call and are not any more."""
        runs = list(runs)
        before, self._live = self._live, {run.number for run in runs if run.state.is_live}
        ended = before - self._live
        if self._view.bell and ended:
            self._ring()
        if (notifier := self._view.notifier) is not None and ended:
            # imports subprocess, which takes 10 ms, and few users have notifications
            from lrtui.engine.notification import end_notification

            for run in runs:
                if run.number in ended:
                    notifier.send(end_notification(run.state, str(key_of(run))))

    def report_advice(self, run: ShownRun, advice: Advice) -> None:
        """Send a notification of new advice."""
        if (notifier := self._view.notifier) is not None:
            from lrtui.engine.notification import advice_notification

            notifier.send(advice_notification(advice.title, advice.text, run.state.schedule, str(key_of(run))))
