"""Makes pictures reproducible (no blinking cursor, no animation) and tests fast (no fixed waits)."""

from __future__ import annotations

import pytest
from cockpit_pilot import settle
from textual.widgets import Input


@pytest.fixture(autouse=True)
def nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")


@pytest.fixture(autouse=True)
def keys_come_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each key a pilot waits until the process has idled for 20 ms: most of the time of these tests.

    After the last one it still does; who waits for more looks again.
    """
    monkeypatch.setattr("textual.app.wait_for_idle", settle)
