"""Dropout that draws its random numbers faster on a CPU, and random numbers of a batch that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import dropout, pad


@dataclass(frozen=True, slots=True)
class Rows:
    """Which samples of a batch this process computes: those from `start` to `stop`, of `of`."""

    start: int
    stop: int
    of: int

    def fits(self, inputs: torch.Tensor) -> bool:
        """Return whether the inputs have these samples along their first dimension, or several rows for each."""
        return inputs.dim() > 0 and len(inputs) > 0 and len(inputs) % (self.stop - self.start) == 0

    def of_whole_batch(self, function: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
        """Return the outputs of a function that draws random numbers for the whole batch, which has zeros elsewhere."""
        each = len(inputs) // (self.stop - self.start)
        around = (self.start * each, (self.of - self.stop) * each)
        whole = function(pad(inputs, (0, 0) * (inputs.dim() - 1) + around))
        return whole[around[0] : around[0] + len(inputs)]


_rows: Rows | None = None
"""Of the batch that is being computed; not a context variable, since a GPU's backward passes run in other threads."""


@contextmanager
def rows_of_whole_batch(rows: Rows | None) -> Iterator[None]:
    """Let `ByteDropout` in the block draw the mask of the whole batch and use that of some samples.

    So processes that share a batch use the mask that a single one would, and go on with the same random numbers.

    Args:
        rows: the samples of the batch that are computed; None for all.
    """
    global _rows
    outer, _rows = _rows, rows
    try:
        yield
    finally:
        _rows = outer


class ByteDropout(nn.Module):
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
        start, of = 0, count
        if (rows := _rows) is not None and rows.fits(inputs):
            each = count // (rows.stop - rows.start)
            start, of = rows.start * each, rows.of * each
        draws = torch.empty(-(-of // 8), dtype=torch.int64).random_(-(2**63), None)
        is_kept = draws.view(torch.uint8)[start : start + count] >= int(self.p * 256)
        mask = is_kept.to(inputs.dtype).mul_(1 / (1 - self.p)).as_strided(inputs.size(), inputs.stride())
        return inputs * mask

    def extra_repr(self) -> str:
        """Return the probability, for the module's repr."""
        return f"p={self.p}"


def _is_dense(inputs: torch.Tensor) -> bool:
    """Return whether the elements fill their memory without gaps, in any order."""
    return inputs.is_contiguous() or (inputs.dim() == 4 and inputs.is_contiguous(memory_format=torch.channels_last))
