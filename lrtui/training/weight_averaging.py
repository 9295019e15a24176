"""The averaged model beside the one that is trained, where the schedule has a SWALR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel, update_bn

from lrtui.run.errors import TaskError
from lrtui.run.user_error import describe_exception
from lrtui.schedules.schedule import Schedule
from lrtui.training.batches import Batches, to_device
from lrtui.training.buffers import restore_buffers, unsaved_buffers
from lrtui.training.precision import precision_context
from lrtui.training.random_state import random_state_set_aside


class WeightAveraging:
    """Averages weights from where a SWALR begins, once for each of the schedule's `step()` calls.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization" (arXiv:1803.05407). A switch
    of the schedule begins a new average, or none.

    Args:
        model: the one that is trained.
        data: the training data, which the averaged model's BatchNorm statistics are computed from.
    """

    def __init__(self, model: torch.nn.Module, data: Batches, device: torch.device, precision: str) -> None:
        self._model, self._data, self._device, self._precision = model, data, device, precision
        self._schedule: Schedule | None = None
        self.averaged_model: AveragedModel | None = None
        """The averaged model; None where nothing is averaged."""

    def update(self, schedule: Schedule, calls: int) -> bool:
        """Add the model's present weights where the schedule says so; called before each of its `step()` calls.

        Args:
            schedule: the one in force.
            calls: its `step()` calls so far.

        Returns:
            Whether these are the first weights of an average.
        """
        if schedule is not self._schedule:
            self._schedule, self.averaged_model = schedule, None
        begin = schedule.averages_from
        if begin is None or calls < begin:
            return False
        first = self.averaged_model is None
        if self.averaged_model is None:
            self.averaged_model = _averaged(self._model)
        self.averaged_model.update_parameters(self._model)
        return first

    def state(self, schedule: Schedule) -> dict[str, Any]:
        """Return the average as tensors and plain values; nothing where there is none.

        Args:
            schedule: the one in force.
        """
        if self.averaged_model is None:
            return {}
        return {
            "model": self.averaged_model.state_dict(),
            "buffers": unsaved_buffers(self.averaged_model),
            # after a switch the average is that of the schedule before, until the next call
            "current": schedule is self._schedule,
        }

    def restore(self, state: Mapping[str, Any], schedule: Schedule) -> None:
        """Take over what `state` returned; the model has its own weights back already."""
        if not state:
            return
        self.averaged_model = _averaged(self._model)
        self.averaged_model.load_state_dict(state["model"])
        restore_buffers(self.averaged_model, state["buffers"])
        self._schedule = schedule if state["current"] else None

    def update_batch_norm(self, between_batches: Callable[[], None]) -> None:
        """Compute the averaged model's BatchNorm statistics, which no average of the model's own is.

        Takes a pass over the training data, with the random states set aside; nothing where there is no BatchNorm.

        Args:
            between_batches: called before each batch; may raise to break off.
        """
        if self.averaged_model is None:
            return
        precision = precision_context(self._device, self._precision)
        with random_state_set_aside(self._device, self._data.generators), precision:
            update_bn(self._inputs(between_batches), self.averaged_model)

    def _inputs(self, between_batches: Callable[[], None]) -> Iterator[tuple[Any]]:
        for inputs, _ in self._data.in_order():
            between_batches()
            # update_bn takes the first entry of a tuple: inputs that are tuples themselves stay whole
            yield (to_device(inputs, self._device),)


def _averaged(model: torch.nn.Module) -> AveragedModel:
    """Return an average without any weights yet; its counter stays on the CPU, where reading it makes nobody wait."""
    try:
        return AveragedModel(model)
    except Exception as error:  # copying a user's model can raise anything
        raise TaskError(
            f"SWALR averages a copy of the model, and {type(model).__name__} can't be copied: "
            f"{describe_exception(error)}"
        ) from error


def check_averageable(model: torch.nn.Module, schedule: Schedule) -> None:
    """Find out now whether the model can be averaged, where the schedule will want that.

    Raises:
        TaskError: for a model that can't be copied.
    """
    if schedule.averages_from is not None:
        _averaged(model)
