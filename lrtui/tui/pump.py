"""When the screen is drawn: text a few times a second, charts once or twice, less where the terminal is slow."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import App

from lrtui.tui.output_rate import Flow

TEXT_INTERVAL = 0.25
"""Seconds between two looks at what the runs have said. Drawing costs the training thread its GIL; at four looks a
second it keeps more than 0.93 of its time."""

CHART_INTERVAL = 1.0
"""Seconds between two drawings of the charts while nothing but training happens."""

BACKLOG = 2
"""Writes waiting for the terminal from which on a frame is left out."""

SECONDS_BEHIND = 1.0
"""How far the terminal may be behind before a frame is left out: a key's answer waits for what is on its way."""


class Pump:
    """Decides, tick by tick, what is due.

    Args:
        poll: folds what the runs have said; returns whether there was anything.
        draw: draws; told whether the charts are due as well.
        seconds: a clock.
        backlog: how many writes the terminal has not taken yet.
    """

    def __init__(
        self,
        poll: Callable[[], bool],
        draw: Callable[[bool], None],
        seconds: Callable[[], float],
        backlog: Callable[[], int],
    ) -> None:
        self._poll, self._draw, self._seconds, self._backlog = poll, draw, seconds, backlog
        self._stale_text = self._stale_charts = True
        self._charts_drawn = -CHART_INTERVAL

    def tick(self, chosen: bool = False) -> None:
        """Fold, and draw what is due.

        Args:
            chosen: whether there is a choice that was not drawn: a dialog's answer, which no key draws.
        """
        self.fold()
        if chosen:
            self._stale_text = self._stale_charts = True
        if not (self._stale_text or self._stale_charts) or self._backlog() > BACKLOG:
            return
        charts = self._stale_charts and self._seconds() - self._charts_drawn >= CHART_INTERVAL
        if self._stale_text or charts:
            self._paint(charts)

    def fold(self) -> None:
        """Fold what the runs have said; it is drawn when that is due, whoever asked."""
        if self._poll():
            self._stale_text = self._stale_charts = True

    def at_once(self, charts: bool = True) -> None:
        """Draw now: the user did something.

        Args:
            charts: whether all charts are due; else only those are drawn that show what the user chose.
        """
        self.fold()
        self._paint(charts)

    def _paint(self, charts: bool) -> None:
        self._stale_text = False
        if charts:
            self._stale_charts, self._charts_drawn = False, self._seconds()
        self._draw(charts)


def terminal_backlog(app: App[object]) -> int:
    """Return how many writes wait for the terminal; too many where it is behind, or a dialog covers what is drawn.

    Below a dialog Textual paints the whole screen for every widget that changes: 23 kB a second at 80x24.
    """
    if app.screen.is_modal:
        return BACKLOG + 1
    # private to Textual: a full queue would block the event loop, so it is worth looking
    driver = app._driver
    flow = getattr(driver, "flow", None)
    if isinstance(flow, Flow) and flow.seconds_behind() > SECONDS_BEHIND:
        return BACKLOG + 1
    queue = getattr(getattr(driver, "_writer_thread", None), "_queue", None)
    return queue.qsize() if queue is not None else 0
