"""Every trap that can be known of before training, the most severe first. Adding one is an entry here, and its page."""

from __future__ import annotations

from lrtui.analysis.checks.trap import Trap
from lrtui.analysis.checks.traps.averaging import AVERAGING
from lrtui.analysis.checks.traps.composites import COMPOSITES
from lrtui.analysis.checks.traps.constant import CONSTANT
from lrtui.analysis.checks.traps.cycles import CYCLES
from lrtui.analysis.checks.traps.dead_lr import TAIL
from lrtui.analysis.checks.traps.ending import ENDING
from lrtui.analysis.checks.traps.failure import REFUSALS
from lrtui.analysis.checks.traps.milestones import MILESTONES
from lrtui.analysis.checks.traps.plateau import PLATEAU
from lrtui.analysis.checks.traps.units import UNITS
from lrtui.analysis.checks.traps.values import VALUES
from lrtui.analysis.checks.traps.warmup import BEGINNING

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
