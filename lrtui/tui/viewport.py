"""Which part of the x axis the charts show, and where the cursor stands; knows no run."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.plotting.x_axis import AxisName

Range = tuple[float, float]

FACTOR = 2.0
"""How much narrower one press makes the window."""

PAN = 0.25
"""How far one press moves the window, in widths of it."""

ROOM = 0.1
"""Share of a window that goes along with the run that lies ahead of the newest step."""


@dataclass(slots=True)
class Viewport:
    """The window on the x axis and the cursor, the same for all charts; places are in units of the axis."""

    axis: AxisName = "epoch"
    window: Range | None = None
    """What is shown; None is the whole run."""
    following: bool = False
    """Whether the window goes along with the newest step, having held it when it was chosen."""
    cursor: float | None = None

    def shown(self, whole: Range, now: float | None) -> Range:
        """Return the left and the right end of what is shown.

        Args:
            whole: the ends of the whole run.
            now: where the newest step is, or None.
        """
        if self.window is None:
            return whole
        low, high = self.window
        if self.following and now is not None and now > high - ROOM * (high - low):
            shift = now - (high - ROOM * (high - low))
            low, high = low + shift, high + shift
        return _within(low, high, whole)

    def zoom(self, inwards: bool, whole: Range, now: float | None, least: float) -> bool:
        """Make the window narrower or wider around the cursor, else around now; say whether that changed anything.

        Args:
            least: width below which there is nothing more to see.
        """
        low, high = self.shown(whole, now)
        if not inwards and self.window is None:
            return False
        width = max((high - low) / FACTOR, min(least, high - low)) if inwards else (high - low) * FACTOR
        if abs(width - (high - low)) <= 1e-6 * width:
            return False
        centre = next((x for x in (self.cursor, now) if x is not None and low <= x <= high), (low + high) / 2)
        left = centre - (centre - low) * width / (high - low)
        self._choose(left, left + width, whole, now)
        return True

    def pan(self, widths: float, whole: Range, now: float | None) -> bool:
        """Move the window by that many widths of it; say whether that changed anything."""
        if self.window is None:
            return False
        low, high = before = self.shown(whole, now)
        self._choose(low + widths * (high - low), high + widths * (high - low), whole, now)
        return self.window != before

    def _choose(self, low: float, high: float, whole: Range, now: float | None) -> None:
        low, high = _within(low, high, whole)
        self.window = None if high - low >= (whole[1] - whole[0]) * (1 - 1e-9) else (low, high)
        self.following = now is not None and low <= now <= high

    def show_whole(self) -> None:
        """Show the whole run again."""
        self.window, self.following = None, False

    def move_cursor(self, columns: int, of: int, whole: Range, now: float | None) -> None:
        """Move the cursor by columns of the charts; where there is none, put it at now.

        Args:
            columns: to the right; negative to the left.
            of: how many the charts have.
        """
        low, high = self.shown(whole, now)
        column = (high - low) / max(1, of)
        if column <= 0:
            return
        if self.cursor is None:
            place, columns = now if now is not None and low <= now <= high else (low + high) / 2, 0
        else:
            place = self.cursor
        x = low + (int((place - low) // column) + columns + 0.5) * column
        self.cursor = min(max(x, whole[0] + column / 2), whole[1] - column / 2)
        if not low <= self.cursor <= high:
            shift = self.cursor - (high if self.cursor > high else low) + (columns * column / 2)
            self._choose(low + shift, high + shift, whole, now)


def _within(low: float, high: float, whole: Range) -> Range:
    """Return the range moved into the whole, and cut to it where it is wider."""
    width = min(high - low, whole[1] - whole[0])
    low = min(max(low, whole[0]), whole[1] - width)
    return low, low + width
