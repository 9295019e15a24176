"""What a schedule that is put in place in mid-run builds on."""

from __future__ import annotations

ANCHORS = {
    "base": "the configured lr, over the steps that remain",
    "current": "this moment's lr, over the steps that remain",
    "start": "the configured lr, as if from the run's start",
}
"""The anchors by name, with what they do; the first is the default."""
