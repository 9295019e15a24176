"""A number of steps, given as such or as a share of the run."""

from __future__ import annotations

from typing import Any


def is_share(value: Any) -> bool:
    """Return whether a number of steps is given as a share of the run: above 0 and below 1."""
    return isinstance(value, float) and 0 < value < 1


def steps_of(name: str, value: Any, total_steps: int | None) -> int:
    """Return a number of steps.

    Args:
        name: name of the argument, for errors.
        value: a whole number of at least 0, or a share of the run below 1, which is rounded to whole steps.
        total_steps: length of the run; needed for a share.

    Raises:
        TypeError: for anything but a number.
        ValueError: for a number out of range, or a share without `total_steps`.
    """
    allowed = "a whole number of steps of at least 0, or a share of the run below 1"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes {allowed}, not {value!r}")
    if is_share(value):
        if total_steps is None:
            raise ValueError(f"{name}={value!r} is a share of the run and needs total_steps")
        return round(value * total_steps)
    # 1.0 could be one step or the whole run
    if not value >= 0 or value != value // 1 or (isinstance(value, float) and value == 1):
        raise ValueError(f"{name} takes {allowed}, not {value!r}")
    return int(value)
