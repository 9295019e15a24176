"""PyTorch's OneCycleLR, and what it does after its end."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim.lr_scheduler import OneCycleLR


@functools.cache
def one_cycle_class() -> type[OneCycleLR]:
    """Return OneCycleLR with an end: it holds its last lr and momentum, wherever it stands; imports torch.

    PyTorch's own has its last lr at its `step()` call total_steps - 1. The call after, which every loop makes after
    its last batch, takes the lr up again, and the next one raises an error. Up to its end it is PyTorch's to the bit.
    """
    from torch.optim.lr_scheduler import OneCycleLR

    class HeldOneCycleLR(OneCycleLR):
        """A OneCycleLR that may be stepped for ever."""

        def get_lr(self) -> list[float | Tensor]:
            """Return the lr of this step, after the end that of the last."""
            calls = self.last_epoch
            self.last_epoch = min(calls, self.total_steps - 1)
            try:
                return super().get_lr()
            finally:
                self.last_epoch = calls

    return HeldOneCycleLR
