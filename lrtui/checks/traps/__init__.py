"""Every trap that can be known of before training, the most severe first. Adding one is an entry here, and its page."""

from __future__ import annotations

from lrtui.checks.trap import Trap
from lrtui.checks.traps.averaging import AVERAGING
from lrtui.checks.traps.beginning import BEGINNING
from lrtui.checks.traps.composites import COMPOSITES
from lrtui.checks.traps.constant import CONSTANT
from lrtui.checks.traps.cycles import CYCLES
from lrtui.checks.traps.ending import ENDING
from lrtui.checks.traps.milestones import MILESTONES
from lrtui.checks.traps.plateau import PLATEAU
from lrtui.checks.traps.refusal import REFUSALS
from lrtui.checks.traps.tail import TAIL
from lrtui.checks.traps.units import UNITS
from lrtui.checks.traps.values import VALUES

TRAPS: tuple[Trap, ...] = (
    *REFUSALS,
    *VALUES,
    *UNITS,
    *COMPOSITES,
    *CYCLES,
    *MILESTONES,
    *AVERAGING,
    *ENDING,
    *TAIL,
    *PLATEAU,
    *BEGINNING,
    *CONSTANT,
)
"""Where one trap's fix gets out of another as well, the other one goes without saying: causes come before effects."""
