"""What stands along the x axis: epochs, steps, training time or powers of ten, at round numbers."""

from __future__ import annotations

import math
from typing import Literal

from lrtui.plotting.scale import round_step
from lrtui.text.numbers import four_digits

AxisName = Literal["epoch", "step", "time", "decade"]
"""What x counts; of decades it is the logarithm to base 10."""

AXES: tuple[AxisName, ...] = ("epoch", "step", "time")
"""In the order that the key goes through."""

MOST_TICKS = 200

# what people divide an hour and a day by, in seconds
_ROUND_TIMES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def x_ticks(low: float, high: float, columns: int, axis: AxisName = "epoch") -> list[tuple[float, str]]:
    """Return round places between two x and what is written there, as many as so many columns have room for."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [(low, _label(low, 1.0, axis))] if math.isfinite(low) else []
    step = _step(low, high, max(1, columns // 8), axis)
    widest = len(_label(math.floor(high / step * (1 + 1e-9)) * step, step, axis))
    step = _step(low, high, max(1, columns // max(8, widest + 3)), axis)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step * (1 + 1e-9))
    numbers = range(first, min(last, first + MOST_TICKS) + 1)
    return [(min(max(number * step, low), high), _label(number * step, step, axis)) for number in numbers]


def _step(low: float, high: float, most: int, axis: AxisName) -> float:
    step = time_step(high - low, most) if axis == "time" else round_step(high - low, most)
    # parts of an epoch only where there are no two whole ones to be seen, parts of a step never
    whole = math.floor(high * (1 + 1e-9)) - math.ceil(low - 1e-9) >= 1
    return max(1.0, step) if axis in ("step", "decade") or (axis == "epoch" and whole) else step


def time_step(span: float, most: int) -> float:
    """Return the least round length of time that divides the seconds into at most `most` parts."""
    raw = span / max(1, most)
    if raw <= 1:
        return round_step(span, most)
    days = 86400 * math.ceil(raw / 86400)
    return float(next((length for length in _ROUND_TIMES if length >= raw * (1 - 1e-9)), days))


def _label(x: float, step: float, axis: AxisName) -> str:
    decimals = min(9, max(0, -math.floor(math.log10(step) + 1e-9)))
    if axis == "time":
        return time_words(x, decimals)
    if axis == "decade":
        return four_digits(10.0 ** round(x))
    return f"{x + 0.0:,.{decimals}f}"


def time_words(seconds: float, decimals: int = 0) -> str:
    """Return a time since the run began: `0s`, `4.5s`, `1m30s`, `2m`, `1h05m`."""
    if not math.isfinite(seconds):
        return ""
    if not round(seconds, decimals):
        return "0s"
    minutes, rest = divmod(round(max(0.0, seconds), decimals), 60)
    hours, minutes = divmod(int(minutes), 60)
    words = f"{hours}h" if hours else ""
    if minutes or (hours and rest):
        words += f"{minutes:02}m" if hours else f"{minutes}m"
    if rest or not words:
        width = 2 + (decimals + 1 if decimals else 0)
        words += f"{rest:0{width}.{decimals}f}s" if words else f"{rest:.{decimals}f}s"
    return words


def x_words(x: float, axis: AxisName) -> str:
    """Return a place on the axis in words: `epoch 3.42`, `step 3,210`, `1m30s`."""
    if axis == "time":
        return time_words(x, 1 if x < 60 else 0)
    return f"epoch {x:.2f}" if axis == "epoch" else f"step {x:,.0f}"
