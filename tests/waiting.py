"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lrtui import Run
    from lrtui.run.state import RunState

Result = TypeVar("Result")

SECONDS = 120.0
"""How long tests wait for what usually takes moments: a busy machine is slow, and a generous limit costs nothing."""


def wait_for(
    condition: Callable[[], Result],
    explain: Callable[[], object] = lambda: "waited too long",
    *,
    seconds: float = SECONDS,
) -> Result:
    """Return the first result of the condition that is true.

    Args:
        explain: returns what the failure says if the condition stays false.
    """
    until = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < until, explain()
        time.sleep(0.01)
    return result


def follow(run: Run, condition: Callable[[RunState], object]) -> None:
    """Take events of a live run until its state meets the condition."""
    until = time.monotonic() + SECONDS
    while not condition(run.state):
        assert time.monotonic() < until
        assert run.is_live, run.error
        if not run.poll(1):
            time.sleep(0.005)
