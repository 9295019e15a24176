"""Dropout that draws its random numbers faster on a CPU, and dropout of a batch that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import dropout, pad


@dataclass(frozen=True, slots=True)
class _Rows:
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


_rows: _Rows | None = None
"""Of the batch that is being computed; not a context variable, since a GPU's backward passes run in other threads."""


@contextmanager
def of_whole_batch(rows: slice, of: int) -> Iterator[None]:
    """Let dropout in the block draw the mask of the whole batch and use that of some samples.

    So processes that share a batch use the mask that a single one would, and go on with the same random numbers.

    Args:
        rows: the samples of the batch that are computed.
        of: samples of the whole batch.
    """
    global _rows
    outer, _rows = _rows, None if rows.stop - rows.start >= of else _Rows(rows.start, rows.stop, of)
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
            return _shared(lambda whole: dropout(whole, self.p), inputs)
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


def _shared(function: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor) -> torch.Tensor:
    rows = _rows
    return function(inputs) if rows is None or not rows.fits(inputs) else rows.of_whole_batch(function, inputs)


class _Shared(nn.Module):
    """A dropout of PyTorch that draws the mask of the whole batch where processes share it."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return _shared(super().forward, inputs) if self.training else super().forward(inputs)


class SharedDropout(_Shared, nn.Dropout):
    """See `share_dropout`."""


class SharedDropout1d(_Shared, nn.Dropout1d):
    """See `share_dropout`."""


class SharedDropout2d(_Shared, nn.Dropout2d):
    """See `share_dropout`."""


class SharedDropout3d(_Shared, nn.Dropout3d):
    """See `share_dropout`."""


class SharedAlphaDropout(_Shared, nn.AlphaDropout):
    """See `share_dropout`."""


class SharedFeatureAlphaDropout(_Shared, nn.FeatureAlphaDropout):
    """See `share_dropout`."""


_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.Dropout: SharedDropout,
    nn.Dropout1d: SharedDropout1d,
    nn.Dropout2d: SharedDropout2d,
    nn.Dropout3d: SharedDropout3d,
    nn.AlphaDropout: SharedAlphaDropout,
    nn.FeatureAlphaDropout: SharedFeatureAlphaDropout,
}


def share_dropout(model: nn.Module) -> None:
    """Let PyTorch's dropout modules draw the mask of the whole batch where several processes share it.

    Each gets a subclass of its class, so that copies of the model and its state stay the same. Dropout that the model
    calls as a function draws numbers for the samples that it is given.
    """
    for module in model.modules():
        if type(module) in _CLASSES:
            module.__class__ = _CLASSES[type(module)]
