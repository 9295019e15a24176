"""Scales of the y axis, and ticks of both axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrtui.text.format import four_digits

Floats = NDArray[np.float64]

LARGEST = 1e30
"""Larger values are drawn at the edge, since their differences could overflow."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A position on an axis, in [0, 1], and its label."""

    place: float
    label: str


def round_step(span: float, most: float) -> float:
    """Return the smallest step of 1, 2 or 5 times a power of ten that gives at most `most` intervals."""
    raw = max(span, 1e-300) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= raw * (1 - 1e-9)), 10 * power)


@dataclass(frozen=True, slots=True)
class LinearScale:
    """A linear axis from `low` to `high`.

    Args:
        step: distance of the ticks; None for the one that fits the height.
    """

    low: float
    high: float
    step: float | None = None

    def place(self, values: Floats) -> Floats:
        """Return the positions of values: 0 at the bottom, 1 at the top; NaN for non-finite values."""
        finite = np.where(np.isfinite(values), values, np.nan)
        # a large value on an axis of tiny ones overflows to infinity, which is off the chart as well
        with np.errstate(over="ignore"):
            return (np.clip(finite, -LARGEST, LARGEST) - self.low) / (self.high - self.low)

    def ticks(self, most: float) -> list[Tick]:
        """Return at most `most` + 1 ticks at round numbers."""
        step = self.step or round_step(self.high - self.low, most)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [
            Tick((number * step - self.low) / (self.high - self.low), _linear_label(number * step, step))
            for number in range(first, min(last, first + 50) + 1)
        ]


def _linear_label(value: float, step: float) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if value == 0 or abs(value) < step * 1e-6:
        return f"{0:.{decimals}f}" if decimals <= 5 else "0"
    # more zeros would push the digits off the label
    return f"{value:.{decimals}f}" if decimals <= 5 and abs(value) < 1e6 else f"{value:.3g}"


@dataclass(frozen=True, slots=True)
class LogScale:
    """A logarithmic axis from `low` to `high`, both positive.

    Args:
        decades: distance of the ticks in powers of ten; None for the one that fits the height.
    """

    low: float
    high: float
    decades: int | None = None

    def place(self, values: Floats) -> Floats:
        """Return the positions of values: 0 at the bottom, 1 at the top; NaN for values that are not positive and
        finite."""
        positive = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        bottom, top = math.log10(self.low), math.log10(self.high)
        return (np.log10(positive) - bottom) / (top - bottom)

    def ticks(self, most: float) -> list[Tick]:
        """Return at most `most` + 1 ticks at powers of ten, and at 2 and 5 times them if there is room."""
        bottom, top = math.log10(self.low), math.log10(self.high)
        first, last = math.ceil(bottom - 1e-9), math.floor(top + 1e-9)
        # from the top, since the highest lr is the one that matters most
        apart = self.decades or max(1, math.ceil((last - first) / max(1, most) - 1e-9))
        values = [10.0**power for power in range(last, first - 1, -apart)][::-1]
        if len(values) < 3:
            finer = [factor * 10.0**power for power in range(first - 1, last + 1) for factor in (1, 2, 5)]
            within = [value for value in finer if self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)]
            values = within if len(within) <= most + 1 else values or within[:1]
        label = _log_label(values)
        return [Tick((math.log10(value) - bottom) / (top - bottom), label(value)) for value in values]


def _log_label(values: Sequence[float]) -> Callable[[float], str]:
    """Return the format of all labels of an axis: plain numbers, or powers of ten as `1e-05` if one needs that."""
    plain = all(1e-4 <= value < 1e5 for value in values)
    return (lambda value: f"{value:.4g}") if plain else (lambda value: f"{value:.0e}")


Scale = LinearScale | LogScale

WIDEST = 1.35
"""Factor by which an axis may be lengthened for denser ticks that are a whole number of lines apart."""


def with_even_ticks(scale: Scale, lines: int) -> Scale:
    """Return the axis, a little longer, so that its ticks are a whole number of lines apart, two at least.

    A linear axis is lengthened at its upper end, a logarithmic one at its lower end. An axis that is too short for
    two ticks is returned as it is.

    Args:
        scale: the axis.
        lines: height in lines of text.
    """
    dots = lines * 4 - 1
    if isinstance(scale, LogScale):
        span = math.log10(scale.high / scale.low)
        steps: Sequence[float] = range(1, math.ceil(span) + 1)
    else:
        span = scale.high - scale.low
        power = 10.0 ** math.floor(math.log10(span)) if 1e-290 < span < LARGEST else 1.0
        steps = [factor * power for factor in (0.1, 0.2, 0.5, 1, 2, 5)]
    # lines between two ticks, and the length of the axis with exactly that many, by step
    apart = {step: math.floor(step / span * dots / 4 + 1e-9) for step in steps}
    longer = {step: step * dots / (4 * rows) for step, rows in apart.items() if rows >= 2 and step <= span}
    if not longer:
        return scale
    dense = (step for step, length in longer.items() if length <= span * WIDEST and span / step >= 2)
    step = next(dense, min(longer, key=longer.__getitem__))
    if isinstance(scale, LogScale):
        return LogScale(scale.high / 10.0 ** longer[step], scale.high, round(step))
    return LinearScale(scale.low, scale.low + longer[step], step)


def scale_for(low: float, high: float, *, logarithmic: bool, from_zero: bool = False) -> Scale:
    """Return an axis for values from `low` to `high`, with a margin.

    Args:
        low: minimum; on a logarithmic axis the smallest positive value. NaN if there are no values.
        high: maximum; NaN if there are no values.
        logarithmic: whether the axis is logarithmic.
        from_zero: whether a linear axis starts at 0, or just below it.
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = (1e-3, 1.0) if logarithmic else (0.0, 1.0)
    low, high = (min(max(value, -LARGEST), LARGEST) for value in (low, high))
    if logarithmic:
        low = max(low, 1e-30)
        high = max(high, low)
        room = max(1.05, (high / low) ** 0.03)
        return LogScale(low / room, high * room)
    if from_zero and low >= 0:
        # with room below, since the chart of the next pane begins there
        return LinearScale(-high * 0.04, high * 1.05) if high > 1e-290 else LinearScale(0.0, 1.0)
    size = max(abs(low), abs(high))
    # values that differ by rounding errors only are treated as one value
    room = (high - low) * 0.05 if high - low > max(size * 1e-9, 1e-290) else max(size * 0.05, 1e-12)
    return LinearScale(low - room, high + room)


AxisName = Literal["epoch", "step", "time", "decade"]
"""Unit of the x axis; for decades x is a logarithm to base 10."""

AXES: tuple[AxisName, ...] = ("epoch", "step", "time")
"""In the order of the key that changes the axis."""

MAX_TICKS = 200

# round lengths of time, in seconds
_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def x_ticks(low: float, high: float, columns: int, axis: AxisName = "epoch") -> list[tuple[float, str]]:
    """Return x and label of the ticks from `low` to `high`, as many as fit into `columns`."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [(low, _label(low, 1.0, axis))] if math.isfinite(low) else []
    step = _step(low, high, max(1, columns // 8), axis)
    widest = len(_label(math.floor(high / step * (1 + 1e-9)) * step, step, axis))
    step = _step(low, high, max(1, columns // max(8, widest + 3)), axis)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step * (1 + 1e-9))
    numbers = range(first, min(last, first + MAX_TICKS) + 1)
    return [(min(max(number * step, low), high), _label(number * step, step, axis)) for number in numbers]


def _step(low: float, high: float, most: int, axis: AxisName) -> float:
    step = time_step(high - low, most) if axis == "time" else round_step(high - low, most)
    # fractions of an epoch are shown only if fewer than two whole epochs are visible; fractions of a step never
    whole = math.floor(high * (1 + 1e-9)) - math.ceil(low - 1e-9) >= 1
    return max(1.0, step) if axis in ("step", "decade") or (axis == "epoch" and whole) else step


def time_step(span: float, most: int) -> float:
    """Return the smallest round length of time that gives at most `most` intervals."""
    raw = span / max(1, most)
    if raw <= 1:
        return round_step(span, most)
    days = 86400 * math.ceil(raw / 86400)
    return float(next((length for length in _ROUND_TIMES if length >= raw * (1 - 1e-9)), days))


def _label(x: float, step: float, axis: AxisName) -> str:
    decimals = min(9, max(0, -math.floor(math.log10(step) + 1e-9)))
    if axis == "time":
        return format_time(x, decimals)
    if axis == "decade":
        return four_digits(10.0 ** round(x))
    return f"{x + 0.0:,.{decimals}f}"


def format_time(seconds: float, decimals: int = 0) -> str:
    """Return a time since the start of the run: `0s`, `4.5s`, `1m30s`, `2m`, `1h05m`."""
    if not math.isfinite(seconds):
        return ""
    if not round(seconds, decimals):
        return "0s"
    minutes, rest = divmod(round(max(0.0, seconds), decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{hours}h" if hours else ""
    if minutes or (hours and rest):
        text += f"{minutes:02}m" if hours else f"{minutes}m"
    if rest or not text:
        width = 2 + (decimals + 1 if decimals else 0)
        text += f"{rest:0{width}.{decimals}f}s" if text else f"{rest:.{decimals}f}s"
    return text


def format_x(x: float, axis: AxisName) -> str:
    """Return a position on the x axis as text: `epoch 3.42`, `step 3,210`, `1m30s`."""
    if axis == "time":
        return format_time(x, 1 if x < 60 else 0)
    return f"epoch {x:.2f}" if axis == "epoch" else f"step {x:,.0f}"
