"""A linear warmup around any other scheduler."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lrtui.schedules.step_count import steps_of
from lrtui.schedules.warmup_then_curve import check_number


class Warmup(LRScheduler):
    """Raises the lr in a straight line to that of another scheduler, which starts when the warmup ends.

    With `target` the lr of a parameter group that the wrapped scheduler starts with, the lr after `step` calls of
    `step()` is

        target * (start_factor + (1 - start_factor) * step / steps)     if step < steps
        that of the wrapped scheduler after step - steps calls          otherwise

    The wrapped scheduler is not stepped during the warmup, and the momentum is what it starts with. Unlike a
    SequentialLR this can start at 0, and takes any scheduler: a ReduceLROnPlateau, a ChainedScheduler, a SequentialLR,
    a OneCycleLR, your own class. It goes around them, and not inside a SequentialLR or ChainedScheduler. With a
    scheduler of a constant lr it equals `transformers.get_constant_schedule_with_warmup`.

    Call `step()` after each batch. A ReduceLROnPlateau, and any scheduler with `per_epoch=True`, keeps its own pace:
    call `step_epoch()` at the end of each epoch, with the metric for a ReduceLROnPlateau. An epoch whose batches all
    belong to the warmup does not count.

        scheduler = Warmup(optimizer, 500, ReduceLROnPlateau(optimizer))
        for epoch in range(epochs):
            for batch in train_loader:
                ...
                optimizer.step()
                scheduler.step()
            scheduler.step_epoch(test_loss)

    Args:
        optimizer: the optimizer whose lr is written.
        steps: steps of the warmup; a number below 1 is a share of `total_steps`, rounded to whole steps.
        scheduler: the scheduler to start after them, constructed with the same optimizer.
        start_factor: factor that the lr is multiplied by at the start, from 0 to 1.
        total_steps: `step()` calls of the whole run; needed if `steps` is a share.
        per_epoch: whether `scheduler` is stepped by `step_epoch()` alone; by default only a ReduceLROnPlateau is.

    Raises:
        TypeError: for an optimizer or a scheduler that is none, and arguments that are not numbers.
        ValueError: for an argument that is out of range, a scheduler of another optimizer, or `total_steps` missing.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        steps: float,
        scheduler: Any,
        start_factor: float = 0.0,
        *,
        total_steps: int | None = None,
        per_epoch: bool | None = None,
    ) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        if not callable(getattr(scheduler, "step", None)):
            raise TypeError(
                f"scheduler takes a scheduler, such as CosineAnnealingLR(optimizer, 100), not {scheduler!r}"
            )
        if getattr(scheduler, "optimizer", optimizer) is not optimizer:
            raise ValueError(f"the {type(scheduler).__name__} belongs to another optimizer")
        check_number("start_factor", start_factor, minimum=0, maximum=1)
        # constructors of composite schedulers leave out that of LRScheduler, which would step this one
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.steps = steps_of("steps", steps, total_steps)
        self.start_factor = start_factor
        self.per_epoch = isinstance(scheduler, ReduceLROnPlateau) if per_epoch is None else per_epoch
        self.last_epoch = 0
        self._step_count = 1
        self._targets = [_copy(group["lr"]) for group in optimizer.param_groups]
        self._write()

    def step(self, metrics: Any = None) -> None:
        """Step the warmup, and after it the wrapped scheduler, unless that is stepped per epoch.

        Args:
            metrics: passed on to a ReduceLROnPlateau with `per_epoch=False`, which is not stepped without it.
        """
        self.last_epoch += 1
        self._step_count += 1
        if self.last_epoch <= self.steps:
            self._write()
        elif not self.per_epoch:
            self._step_scheduler(metrics)

    def step_epoch(self, metrics: Any = None) -> None:
        """Step a wrapped scheduler that is stepped per epoch, if any batch of the epoch came after the warmup.

        Args:
            metrics: passed on to a ReduceLROnPlateau, which is not stepped without it.

        Raises:
            ValueError: with `per_epoch=False`.
        """
        if not self.per_epoch:
            raise ValueError("step_epoch() is for per_epoch=True; step() steps this scheduler")
        if self.last_epoch > self.steps:
            self._step_scheduler(metrics)

    def get_last_lr(self) -> list[Any]:
        """Return the lr of each parameter group that this scheduler or the wrapped one wrote last."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return the state, with that of the wrapped scheduler, for `load_state_dict`."""
        state = {name: value for name, value in vars(self).items() if name not in ("optimizer", "scheduler")}
        return {**state, "_schedulers": [self.scheduler.state_dict()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` returned; the lr itself is part of the optimizer's state."""
        vars(self).update({name: value for name, value in state_dict.items() if name != "_schedulers"})
        self.scheduler.load_state_dict(state_dict["_schedulers"][0])

    def _step_scheduler(self, metrics: Any) -> None:
        if metrics is not None:
            self.scheduler.step(metrics)
        elif not isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step()
        self._last_lr = [_copy(group["lr"]) for group in self.optimizer.param_groups]

    def _write(self) -> None:
        """Write the lr of the warmup; after its last step that is the one that the wrapped scheduler starts with."""
        groups = self.optimizer.param_groups
        # a group that is added during the warmup has its own lr as its target
        self._targets += [_copy(group["lr"]) for group in groups[len(self._targets) :]]
        for group, target in zip(groups, self._targets, strict=True):
            lr = target * self._factor() if self.last_epoch < self.steps else target
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(lr)
            else:
                group["lr"] = lr
        self._last_lr = [_copy(group["lr"]) for group in groups]

    def _factor(self) -> float:
        return self.start_factor + (1 - self.start_factor) * self.last_epoch / self.steps


def _copy(lr: Any) -> Any:
    """Return an lr; of a tensor a copy, since schedulers write into it."""
    return lr.clone() if isinstance(lr, Tensor) else lr
