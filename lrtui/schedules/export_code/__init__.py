"""PyTorch code for a schedule, or for everything that happened to the lr of a run. Writing it needs no torch."""

from __future__ import annotations

from lrtui.schedules.export_code.script import torch_code
from lrtui.schedules.export_code.timeline import ChangePoint, ScaleChange, ScheduleChange, Timeline

__all__ = ["ChangePoint", "ScaleChange", "ScheduleChange", "Timeline", "torch_code"]
