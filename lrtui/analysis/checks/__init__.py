"""Finds mistakes in a schedule before any training: traps, each with a code, a message and a corrected schedule."""

from __future__ import annotations

from lrtui.analysis.checks.check import Finding, check_schedule

__all__ = ["Finding", "check_schedule"]
