"""The loss and the values of a step, as means over the samples of all processes."""

from __future__ import annotations

import torch

from lrtui.distributed.process_group import ProcessGroup
from lrtui.training.fsdp import whole
from lrtui.training.step_result import Values


class SharedValues:
    """Averages what each process computes of its share of a batch.

    Args:
        group: the processes.
    """

    def __init__(self, group: ProcessGroup) -> None:
        self._group = group
        self._own_names: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        """Names of the values that some process has, the same in all processes."""

    def of_all(self, loss: torch.Tensor, values: Values, samples: int) -> tuple[torch.Tensor, Values]:
        """Return the loss and the values of the whole batch, the same in all processes; no device is waited for.

        A value that some processes lack is averaged over the others.

        Args:
            loss: this process's part of the loss, 0-d: all of them add up to it.
            values: means over this process's samples.
            samples: their number.
        """
        if self._group.world_size == 1:
            return loss, values
        self._agree_on_names(values)
        parts = [loss.double() if loss.device.type != "mps" else loss]
        for name in self._names:
            is_there = name in values and samples > 0
            value = torch.as_tensor(whole(values[name]) if is_there else 0.0).to(parts[0])
            parts += [value * samples, torch.full_like(value, samples if is_there else 0)]
        summed = self._group.sum(torch.stack(parts))
        means = {name: summed[1 + 2 * i] / summed[2 + 2 * i] for i, name in enumerate(self._names)}
        return summed[0].to(loss.dtype), means

    def _agree_on_names(self, values: Values) -> None:
        has_changed, self._own_names = tuple(values) != self._own_names, tuple(values)
        if self._group.max(torch.tensor(int(has_changed))):
            everyone = self._group.gather(self._own_names)
            self._names = self._group.broadcast(tuple(dict.fromkeys(name for names in everyone for name in names)))
