"""Pictures are the same everywhere: no cursor blinks, no animation."""

from __future__ import annotations

import pytest
from textual.widgets import Input


@pytest.fixture(autouse=True)
def nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Input.cursor_blink, "_default", False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
