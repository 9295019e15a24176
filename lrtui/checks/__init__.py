"""What can be known to go wrong before training: traps, each with a code, a sentence and what gets out of it."""

from __future__ import annotations

from lrtui.checks.check import check_schedule
from lrtui.checks.finding import Finding

__all__ = ["Finding", "check_schedule"]
