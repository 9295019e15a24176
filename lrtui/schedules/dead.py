"""When an lr is too low to move anything, in schedules that are checked and in runs that are advised."""

from __future__ import annotations

DEAD_SHARE = 1e-3
"""An lr at or below this share of the schedule's peak moves no weight to speak of: a whole run of it goes as far as a
thousandth of a run at the peak."""

LEAST_DEAD = 0.1
"""Share of the run that has to be dead, or still to come: at the very end a schedule is meant to be at nothing."""

LEAST_TAIL = 0.2
"""The same for a schedule's end of which no test has said yet that it stands still. What is trained with by the book
has a sixth of the run there: 10 of ImageNet's 90 epochs, whose lr falls to a tenth after 30, 60 and 80 (P. Goyal et
al., "Accurate, Large Minibatch SGD", 2017), 4 of the 25 of PyTorch's own tutorial on transfer learning."""

ROUNDING = 1e-9
"""0.1 ** 3 is 1.0000000000000002e-3 in floating point, and a thousandth all the same."""
