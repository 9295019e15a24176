"""The states that a run can be in, each with its glyph."""

from __future__ import annotations

from typing import Literal

Status = Literal["waiting", "running", "paused", "done", "stopped", "failed", "diverged", "lost"]

LIVE: tuple[Status, ...] = ("waiting", "running", "paused")
"""States of a run that is still training."""

GLYPHS: dict[Status, str] = {
    "waiting": "…",
    "running": "●",
    "paused": "‖",
    "done": "✓",
    "stopped": "■",
    "failed": "✗",
    "diverged": "!",
    "lost": "?",
}
"""A glyph for each state, so that none is shown by colour alone."""
