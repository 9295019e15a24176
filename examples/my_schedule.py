"""A minimal custom schedule: a linear warm-up, then inverse square root decay.

    lrtui preview "examples/my_schedule.py:WarmUpInverseSqrt(warm_up=500, per='batch')"
    lrtui "examples/my_schedule.py:WarmUpInverseSqrt(warm_up=500, per='batch')"

Any subclass of PyTorch's LRScheduler works.
"""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class WarmUpInverseSqrt(LRScheduler):
    """The schedule of "Attention Is All You Need" (arXiv:1706.03762, section 5.3), scaled to peak at the base lr."""

    def __init__(self, optimizer: Optimizer, warm_up: int = 100, last_epoch: int = -1) -> None:
        self.warm_up = warm_up
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch + 1
        factor = min(step / self.warm_up, (self.warm_up / step) ** 0.5)
        return [base_lr * factor for base_lr in self.base_lrs]
