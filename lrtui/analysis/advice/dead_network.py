"""A network that no schedule can bring back: most of a layer gets no gradient any more."""

from __future__ import annotations

from lrtui.run.events import DeadLayer, EpochDone
from lrtui.run.state import RunState

MOST = 0.75
"""Share of a layer's units from which on what is left of it holds the whole network back. The case study's lr of 0.01
leaves 3 to 9 of the 64 channels of its second convolution alive after an epoch (five seeds); with 3, no max_lr of 0.001
to 0.01 brought what was left of its ten epochs above 0.893, where a run that began anew, over seven, ended at 0.927."""

LEAST_UNITS = 8
"""Units below which a layer is not judged: one output that is silent for a while is no dead network."""

LEAST_LEFT = 0.5
"""Share of the run that has to be left: a run that begins anew has the steps that are left, and no more."""


def dead_layer(state: RunState, epoch: EpochDone) -> DeadLayer | None:
    """Return the layer that holds the network back, where what is left of the run does better with a new one.

    Args:
        state: the run's.
        epoch: whose end is looked at.
    """
    layer = epoch.dead_layer
    if layer is None or layer.units < LEAST_UNITS or layer.share < MOST:
        return None
    return layer if state.total_steps - epoch.step >= LEAST_LEFT * state.total_steps else None
