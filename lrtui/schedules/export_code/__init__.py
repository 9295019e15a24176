"""A schedule, or a whole run's course of it, as PyTorch code that runs by itself; no torch is needed to write it."""

from __future__ import annotations

from lrtui.schedules.export_code.course import Course, Moment, Scaled, Switched
from lrtui.schedules.export_code.program import torch_code

__all__ = ["Course", "Moment", "Scaled", "Switched", "torch_code"]
