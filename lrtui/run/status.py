"""The states that a run can be in, each with its sign."""

from __future__ import annotations

from typing import Literal

Status = Literal["waiting", "running", "paused", "done", "stopped", "failed", "diverged", "lost"]

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
"""A sign for each state, so that none is told by colour alone."""
