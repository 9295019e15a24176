"""Numbers as people read them."""

from __future__ import annotations

import math


def four_digits(value: float) -> str:
    """Return the number with four significant digits: `0.002413`, `1e-05`."""
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def duration(seconds: float) -> str:
    """Return a length of time: `8s`, `1m08s`, `2h05m`, `3d04h`."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    minutes, rest = divmod(whole, 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes_rest:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def two_digits(value: float) -> float:
    """Return a number as people write those that they choose: more digits would claim a precision that is not there."""
    return float(f"{value:.2g}")
