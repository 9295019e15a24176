"""When an lr is too low to move anything: one rule, for schedules that are checked and for runs that are advised."""

from __future__ import annotations

DEAD_SHARE = 1e-3
"""An lr at or below this share of the schedule's peak moves no weight to speak of: a whole run of it goes as far as a
thousandth of a run at the peak."""

LEAST_DEAD = 0.1
"""Share of the run that has to be dead, or still to come: at the very end a schedule is meant to be at nothing."""

ROUNDING = 1e-9
"""0.1 ** 3 is 1.0000000000000002e-3 in floating point, and a thousandth all the same."""
