"""What can be known to go wrong before training: traps, each with a code, a sentence and what gets out of it."""

from __future__ import annotations

from lrtui.analysis.checks.check import check_schedule
from lrtui.analysis.checks.finding import Finding

__all__ = ["Finding", "check_schedule"]
