"""Presses keys in a cockpit and reads what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from played_session import PlayedApp
from textual.pilot import Pilot

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
    for _ in range(1200):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError("it does not come to hold")


async def press(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()
