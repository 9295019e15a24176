"""The frame rate: text is drawn up to four times a second, charts once a second, both less often on a slow terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from textual.app import App

from lrtui.tui.background import is_visible_below
from lrtui.tui.output_rate import OutputRate

TEXT_INTERVAL = 0.25
"""Seconds between two ticks. The training thread waits while drawing holds the GIL; at four ticks a second it runs more
than 93 % of the time."""

OPENING_INTERVAL, OPENING_TICKS = 0.05, 60
"""Seconds between the first ticks of a cockpit on logs, and their number: nothing trains in its process."""

CHART_INTERVAL = 1.0
"""Seconds between two drawings of the charts if only training changes them."""

COVERED_FACTOR = 3
"""How many times longer the intervals are below a dialog, where Textual also draws the dialog for each change."""

MAX_BACKLOG = 2
"""Maximum number of writes that wait for the terminal; above it a frame is skipped."""

MAX_SECONDS_BEHIND = 1.0
"""Seconds that the terminal may lag before a frame is skipped, since the response to a key would lag as well."""


class FrameClock:
    """Decides at each tick what to draw.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._text_is_stale = self._charts_are_stale = True
        self._text_drawn = self._charts_drawn = -COVERED_FACTOR * CHART_INTERVAL

    def note_change(self) -> None:
        """Mark that there is something new to draw."""
        self._text_is_stale = self._charts_are_stale = True

    def due(self, backlog: int, *, covered: bool = False) -> Literal["nothing", "text", "all"]:
        """Return what to draw at this tick.

        Args:
            backlog: writes that the terminal has not taken yet.
            covered: whether a dialog covers a part of the panes.
        """
        now = self._seconds()
        if backlog > MAX_BACKLOG or (covered and now - self._text_drawn < COVERED_FACTOR * TEXT_INTERVAL):
            return "nothing"
        if self._charts_are_stale and now - self._charts_drawn >= CHART_INTERVAL * (COVERED_FACTOR if covered else 1):
            return "all"
        return "text" if self._text_is_stale else "nothing"

    def note_frame(self, charts: bool) -> None:
        """Record that a frame was drawn.

        Args:
            charts: whether all charts were drawn.
        """
        self._text_is_stale, self._text_drawn = False, self._seconds()
        if charts:
            self._charts_are_stale, self._charts_drawn = False, self._seconds()


def terminal_backlog(app: App[object]) -> int:
    """Return how many writes wait for the terminal; more than MAX_BACKLOG to skip the frame.

    A frame is skipped if a dialog hides it, the terminal lags behind, or recent frames have used up the output budget.
    """
    if app.screen.is_modal and not is_visible_below(app):
        return MAX_BACKLOG + 1
    # private to Textual: a full queue would block the event loop
    driver = app._driver
    rate = _output_rate(app)
    if rate is not None and (rate.is_over_budget() or rate.seconds_behind() > MAX_SECONDS_BEHIND):
        return MAX_BACKLOG + 1
    queue = getattr(getattr(driver, "_writer_thread", None), "_queue", None)
    return queue.qsize() if queue is not None else 0


def forgive_output(app: App[object]) -> None:
    """Do not count what has been written against the output budget; a slow terminal still skips frames."""
    if (rate := _output_rate(app)) is not None:
        rate.forgive()


def _output_rate(app: App[object]) -> OutputRate | None:
    # private to Textual
    rate = getattr(app._driver, "output_rate", None)
    return rate if isinstance(rate, OutputRate) else None
