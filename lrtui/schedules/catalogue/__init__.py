"""Every scheduler of PyTorch, declared once. Adding one is one entry in the file of its family."""

from __future__ import annotations

from lrtui.schedules.catalogue.annealing import ANNEALING
from lrtui.schedules.catalogue.composite import COMPOSITE
from lrtui.schedules.catalogue.decay import DECAY
from lrtui.schedules.catalogue.entry import Per, SchedulerEntry
from lrtui.schedules.catalogue.functional import FUNCTIONAL
from lrtui.schedules.catalogue.warming import WARMING

CATALOGUE: dict[str, SchedulerEntry] = {
    entry.name: entry for entry in (*DECAY, *ANNEALING, *WARMING, *FUNCTIONAL, *COMPOSITE)
}
"""The schedulers by name, in the order of the list on screen."""

__all__ = ["CATALOGUE", "Per", "SchedulerEntry"]
