"""The file names of checkpoints."""

from __future__ import annotations

import re

CHECKPOINT_NAME = re.compile(r"(?P<seq>\d{10,})-step-(?P<step>\d+)\.pt")
"""A checkpoint's file name: the sequence number of the last event before it, and the optimizer steps done."""


def checkpoint_name(seq: int, step: int) -> str:
    """Return a checkpoint's file name; the newest is the last in alphabetical order."""
    return f"{seq:010d}-step-{step}.pt"
