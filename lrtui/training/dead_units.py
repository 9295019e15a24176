"""Dead units: units that get no gradient any more, because the lr was too high for a network with ReLUs.

A unit whose ReLU is off for every sample passes no gradient back, so its weights never change and no lr revives it
(L. Lu et al., "Dying ReLU and Initialization", 2019). It is detected by its gradient, which works for ReLUs that are
modules or function calls, and needs no additional forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from lrtui.run.events import DeadLayer
from lrtui.training.fsdp import is_part, whole

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Layers whose weight has one row per unit: an output of a linear layer, a channel of a convolution."""

STEPS = 16
"""Steps at an epoch's end that are inspected: a unit that is silent in one batch may respond to the next."""

EVERY = 16
"""In a short epoch at most one of this many steps is inspected, since steps may take only 0.5 ms."""


def is_inspected(step: int, steps: int) -> bool:
    """Return whether a step is one of the last ones of its epoch.

    Args:
        step: index in the epoch, from 0.
        steps: steps of the epoch.
    """
    return steps - step <= min(STEPS, max(1, steps // EVERY))


def live_units(model: nn.Module, before: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the units that got a gradient in this step or in earlier ones: by layer, bool, shape (units,).

    Args:
        model: the model with that step's gradients still in its parameters.
        before: what was returned for the previous step; empty at first.
    """
    live = dict(before)
    for name, layer in model.named_modules():
        if not isinstance(layer, LAYERS):
            continue
        # a frozen weight has no gradient, nor has one that is computed from other parameters; the gradient of a
        # weight shared with a sparse embedding lacks the rows that no sample used
        weight = dict(layer.named_parameters(recurse=False)).get("weight")
        if weight is None or weight.grad is None or weight.grad.layout is not torch.strided:
            continue
        gradient = whole(weight.grad) if is_part(weight.grad) else weight.grad.detach()
        # a norm is about twenty times faster than counting; gradients below 1e-23, whose squares are 0, count as zero
        now = torch.linalg.vector_norm(gradient.flatten(1), dim=1) != 0
        live[name] = now | live[name].to(now.device) if name in live else now
    return live


def most_dead_layer(live: Mapping[str, torch.Tensor]) -> DeadLayer | None:
    """Return the layer with the largest share of dead units, or None if there are none."""
    layers = [DeadLayer(name, int((~units).sum()), len(units)) for name, units in live.items() if len(units)]
    worst = max(layers, key=lambda layer: layer.share, default=None)
    return worst if worst is not None and worst.dead else None
