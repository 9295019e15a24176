"""When the screen is drawn: text up to four times a second, charts once, fewer frames on a slow terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual.app import App

from lrtui.tui.output_rate import OutputRate

TEXT_INTERVAL = 0.25
"""Seconds between two ticks. Drawing holds the GIL, which the training thread waits for; at four ticks a second
training keeps more than 0.93 of its time."""

CHART_INTERVAL = 1.0
"""Seconds between two drawings of the charts while nothing but training changes them."""

MAX_BACKLOG = 2
"""Writes waiting for the terminal above which a frame is skipped."""

MAX_SECONDS_BEHIND = 1.0
"""How far the terminal may lag before a frame is skipped, since the answer to a key waits behind it."""


class FrameClock:
    """Decides at each tick what is due.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._text_is_stale = self._charts_are_stale = True
        self._charts_drawn = -CHART_INTERVAL

    def note_change(self) -> None:
        """Note that there is something new to draw."""
        self._text_is_stale = self._charts_are_stale = True

    def due(self, backlog: int) -> Literal["nothing", "text", "all"]:
        """Return what to draw at this tick.

        Args:
            backlog: writes that the terminal has not taken yet.
        """
        if backlog > MAX_BACKLOG:
            return "nothing"
        if self._charts_are_stale and self._seconds() - self._charts_drawn >= CHART_INTERVAL:
            return "all"
        return "text" if self._text_is_stale else "nothing"

    def note_frame(self, charts: bool) -> None:
        """Note that a frame was drawn.

        Args:
            charts: whether all charts were drawn.
        """
        self._text_is_stale = False
        if charts:
            self._charts_are_stale, self._charts_drawn = False, self._seconds()


def terminal_backlog(app: App[object]) -> int:
    """Return how many writes wait for the terminal; above the limit if it lags behind, or a dialog covers the panes.

    Below a dialog, Textual repaints the whole screen for every widget that changes: 23 kB a second at 80x24.
    """
    if app.screen.is_modal:
        return MAX_BACKLOG + 1
    # private to Textual: a full queue would block the event loop
    driver = app._driver
    rate = getattr(driver, "output_rate", None)
    if isinstance(rate, OutputRate) and rate.seconds_behind() > MAX_SECONDS_BEHIND:
        return MAX_BACKLOG + 1
    queue = getattr(getattr(driver, "_writer_thread", None), "_queue", None)
    return queue.qsize() if queue is not None else 0
