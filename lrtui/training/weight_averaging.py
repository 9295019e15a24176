"""The averaged model next to the trained one, for schedules that average weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, update_bn

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import TaskError, describe_exception
from lrtui.schedules.schedule import Schedule
from lrtui.training.batch_share import Share, share_of
from lrtui.training.batches import Batches, to_device
from lrtui.training.device import precision_context
from lrtui.training.random_state import random_state_restored
from lrtui.training.user_task import UserTask
from lrtui.training.whole_batch import whole_batch


class WeightAveraging:
    """Averages the weights from the schedule's starting point on, once for each of its `step()` calls.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (arXiv:1803.05407). A switch
    of the schedule starts a new average, or ends it.

    Args:
        model: the trained one.
        task: runs the model on a batch.
        data: the training data, from which the averaged model's BatchNorm statistics are computed.
        group: the processes that train the run.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        task: UserTask,
        data: Batches,
        device: torch.device,
        precision: str,
        group: ProcessGroup = ALONE,
    ) -> None:
        self._model, self._task, self._data = model, task, data
        self._device, self._precision, self._group = device, precision, group
        self._schedule: Schedule | None = None
        self.averaged_model: AveragedModel | None = None
        """None if nothing is averaged."""

    def update(self, schedule: Schedule, calls: int) -> bool:
        """Add the model's current weights if the schedule says so; called before each of its `step()` calls.

        Args:
            schedule: the current one.
            calls: its `step()` calls so far.

        Returns:
            Whether these are the first weights of an average.
        """
        if schedule is not self._schedule:
            self._schedule, self.averaged_model = schedule, None
        start = schedule.averages_from
        if start is None or calls < start:
            return False
        is_first = self.averaged_model is None
        if self.averaged_model is None:
            self.averaged_model = _averaged(self._model)
        self.averaged_model.update_parameters(self._model)
        return is_first

    def state(self, schedule: Schedule) -> dict[str, Any]:
        """Return the average as tensors and plain values; empty if there is none.

        Args:
            schedule: the current one.
        """
        if self.averaged_model is None:
            return {}
        return {
            "model": self.averaged_model.state_dict(),
            "buffers": unsaved_buffers(self.averaged_model),
            # after a switch, and until the next call, the average is still that of the previous schedule
            "current": schedule is self._schedule,
        }

    def restore(self, state: Mapping[str, Any], schedule: Schedule) -> None:
        """Load what `state` returned, after the model's weights have been restored."""
        if not state:
            return
        self.averaged_model = _averaged(self._model)
        self.averaged_model.load_state_dict(state["model"])
        restore_buffers(self.averaged_model, state["buffers"])
        self._schedule = schedule if state["current"] else None

    def update_batch_norm(self, between_batches: Callable[[], None]) -> None:
        """Compute the averaged model's BatchNorm statistics, which can't be averaged.

        Takes a pass over the training data, with the random states restored afterwards. Does nothing without
        BatchNorm.

        Args:
            between_batches: called before each batch; may raise to abort.
        """
        if self.averaged_model is None:
            return
        precision = precision_context(self._device, self._precision)
        with random_state_restored(self._device, self._data.generators), precision:
            update_bn(self._shares(between_batches), _OnShares(self.averaged_model.module, self._run_model))

    def _shares(self, between_batches: Callable[[], None]) -> Iterator[Share]:
        for batch in self._data.in_order():
            between_batches()
            yield share_of(batch)

    def _run_model(self, model: torch.nn.Module, share: Share) -> None:
        with whole_batch(share, self._group):
            self._task.run_model(model, to_device(share.batch, self._device))


class _OnShares(torch.nn.Module):
    """A model that is called with a share of a batch, which `update_bn` passes on as it is."""

    def __init__(self, model: torch.nn.Module, run: Callable[[torch.nn.Module, Share], None]) -> None:
        super().__init__()
        self.model, self._run = model, run

    def forward(self, share: Share) -> None:
        self._run(self.model, share)


def check_averageable(model: torch.nn.Module, schedule: Schedule) -> None:
    """Check that the model can be averaged, if the schedule does so.

    Raises:
        TaskError: for a model that can't be copied.
    """
    if schedule.averages_from is not None:
        _averaged(model)


def _averaged(model: torch.nn.Module) -> AveragedModel:
    """Return an average without any weights yet; its counter stays on the CPU, where reading it blocks nothing."""
    try:
        return AveragedModel(model)
    except Exception as error:  # copying a user's model can raise anything
        raise TaskError(
            f"the schedule averages a copy of the model, and {type(model).__name__} can't be copied: "
            f"{describe_exception(error)}"
        ) from error


def unsaved_buffers(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the buffers that `state_dict()` leaves out (persistent=False), by name."""
    saved = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name not in saved}


def restore_buffers(model: torch.nn.Module, buffers: Mapping[str, torch.Tensor]) -> None:
    """Restore these buffers; one whose shape has changed since the model was created replaces the model's.

    Raises:
        AttributeError: if the model has no such buffer.
    """
    present = dict(model.named_buffers())
    for name, value in buffers.items():
        current = present.get(name)
        if current is not None and current.shape == value.shape and current.dtype == value.dtype:
            current.copy_(value)
        else:
            module, _, attribute = name.rpartition(".")
            device = current.device if current is not None else next(model.parameters()).device
            setattr(model.get_submodule(module), attribute, value.to(device))
