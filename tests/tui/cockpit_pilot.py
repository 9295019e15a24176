"""Presses keys in a cockpit and reads what it shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from played_session import PlayedApp
from textual.pilot import Pilot
from waiting import SECONDS

from lrtui.tui.panes.footer import Footer


def message(app: PlayedApp) -> str:
    """Return the last line."""
    return app.screen.query_one(Footer).render().plain


def dialog(app: PlayedApp) -> str:
    """Return what the dialog on top says."""
    return "\n".join(str(static.render()) for static in app.screen.query(".dialog Static"))


async def settle(*_: float) -> None:
    """Let a key be handled by the application, the focused widget and the screen."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Let the screen's timer run until the condition holds."""
    give_up = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < give_up, "it does not come to hold"
        await pilot.pause(0.02)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()
