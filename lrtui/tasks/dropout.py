"""Dropout that draws its random numbers faster on a CPU."""

from __future__ import annotations

import torch
from torch.nn.functional import dropout


class ByteDropout(torch.nn.Module):
    """`torch.nn.Dropout` for probabilities that are multiples of 1/256, from one random byte per element.

    On a CPU torch draws numbers one after the other from a Mersenne Twister, one draw per element, which takes a tenth
    of a training step in the case study. Here the eight bytes of one draw serve eight elements. They come from torch's
    global generator, so that seeding, saving and restoring it work as usual.

    Args:
        p: probability of an element to be zeroed; a multiple of 1/256.

    Raises:
        ValueError: for any other probability.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1 or p * 256 != int(p * 256):
            raise ValueError(f"p must be a multiple of 1/256 in [0, 1), not {p}")
        self.p = p

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the inputs with elements zeroed at random and the rest scaled by 1 / (1 - p); in evaluation as is."""
        if not self.training:
            return inputs
        if inputs.device.type != "cpu" or not _is_dense(inputs):
            return dropout(inputs, self.p)
        count = inputs.numel()
        draws = torch.empty(-(-count // 8), dtype=torch.int64).random_(-(2**63), None)
        is_kept = draws.view(torch.uint8)[:count] >= int(self.p * 256)
        mask = is_kept.to(inputs.dtype).mul_(1 / (1 - self.p)).as_strided(inputs.size(), inputs.stride())
        return inputs * mask

    def extra_repr(self) -> str:
        """Return the probability, for the module's repr."""
        return f"p={self.p}"


def _is_dense(inputs: torch.Tensor) -> bool:
    """Return whether the elements fill their memory without gaps, in any order."""
    return inputs.is_contiguous() or (inputs.dim() == 4 and inputs.is_contiguous(memory_format=torch.channels_last))
