"""What a schedule that is put in place in mid-run builds on."""

from __future__ import annotations

ANCHORS = {
    "base": "the configured lr, over the steps left",
    "current": "this moment's lr, over the steps left",
    "start": "the configured lr, as if from step 0",
}
"""The anchors by name, with what they do; the first is the default."""
