"""Units that get no gradient any more: what an lr that was too high leaves of a network of ReLUs.

A unit whose ReLU is off for every sample passes no gradient on, so that nothing changes what goes into it: no lr
brings it back (L. Lu et al., "Dying ReLU and Initialization", 2019). Seen by its gradients, it is found whether its
ReLU is a module or a function call, and no forward pass is made for it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from lrtui.run.events import DeadLayer

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Whose weights have a row for each unit: an output of a linear layer, a channel of a convolution."""

STEPS = 16
"""Steps at an epoch's end that are looked at: a unit that is silent in one batch may speak in the next."""

EVERY = 16
"""Of how many steps one is looked at where an epoch is short: next to a step of half a millisecond it costs time."""

Reached = Mapping[str, torch.Tensor]
"""By layer, which of its units a gradient has reached: bool, shape (units,)."""


def is_looked_at(step: int, steps: int) -> bool:
    """Say whether a step is among those at the epoch's end.

    Args:
        step: in the epoch, from 0.
        steps: of the epoch.
    """
    return steps - step <= min(STEPS, max(1, steps // EVERY))


def reached_too(model: nn.Module, before: Reached) -> Reached:
    """Return which units a gradient has reached, in the step that was just made or before.

    Args:
        model: with that step's gradients still in its parameters.
        before: what was returned for the step before; empty at first.
    """
    reached = dict(before)
    for name, layer in model.named_modules():
        if not isinstance(layer, LAYERS):
            continue
        # one that is computed from other parameters has no gradient of its own, one that is frozen has none at all,
        # and one that is a sparse embedding's as well has rows that no sample has asked for
        weight = dict(layer.named_parameters(recurse=False)).get("weight")
        if weight is None or weight.grad is None or weight.grad.layout is not torch.strided:
            continue
        # some twenty times faster than counting; a gradient below 1e-23, whose square is 0, is none
        now = torch.linalg.vector_norm(weight.grad.detach().flatten(1), dim=1) != 0
        reached[name] = now | reached[name].to(now.device) if name in reached else now
    return reached


def most_dead(reached: Reached) -> DeadLayer | None:
    """Return the layer with the largest share of units that no gradient reached; None where it reached all."""
    layers = [DeadLayer(name, int((~units).sum()), len(units)) for name, units in reached.items() if len(units)]
    worst = max(layers, key=lambda layer: layer.share, default=None)
    return worst if worst is not None and worst.dead else None
