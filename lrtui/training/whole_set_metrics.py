"""Metrics that are computed once over the whole test set, exact for any batch size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import LrtuiError, TaskError, describe_exception, describe_shape, source_location
from lrtui.text.format import format_size
from lrtui.training.batches import to_device
from lrtui.training.gathered import Gathered, copied, join
from lrtui.training.metric_values import checked_metrics, metric_tensor
from lrtui.training.step_result import StepResult

TEST_METRICS = "test_metrics(outputs, targets) must return a mapping from names to values"
OBJECTS = (
    "expected an object with update(outputs, targets), compute() and reset(), or a mapping from names to such ones"
)
ONE_NUMBER = "expected one number, or a mapping from names to numbers"

_MISTAKES = (NameError, AttributeError, ImportError, SyntaxError, TypeError, LookupError)
"""Errors of code that fails on any data."""


class MetricError(TaskError):
    """A metric fails on the data it was given; it may be defined on more of it.

    Args:
        on_any_data: whether the error is one that more data doesn't change.
    """

    def __init__(self, text: str, *, on_any_data: bool = False) -> None:
        super().__init__(text)
        self.on_any_data = on_any_data


class WholeSetMetrics:
    """What a task computes over its whole test set: with `test_metrics`, and with objects that are updated.

    Args:
        task: the user's object. Its attributes `metrics` and `test_metrics` may be an object with the methods
            `update(outputs, targets)`, `compute()` and `reset()` (those of torchmetrics have them), or a mapping from
            names to such objects; `test_metrics` may also be a method.

    Raises:
        TaskError: if one of them is something else.
    """

    def __init__(self, task: Any) -> None:
        self._objects: dict[str, Any] = {}
        self._method: Any = None
        for attribute in ("metrics", "test_metrics"):
            found = getattr(task, attribute, None)
            if found is None:
                continue
            if is_metric_object(found):
                self._objects[""] = found
            elif isinstance(found, Mapping):
                self._objects.update(_checked_objects(found, task, attribute))
            elif not callable(found):
                raise TaskError(f"{attribute} of {_place(task)} is a {describe_shape(found)}; {OBJECTS}")
            elif attribute == "test_metrics":
                self._method = found
        self._outputs, self._targets = Gathered(), Gathered()
        self._device, self._group = torch.device("cpu"), ALONE
        self._error: LrtuiError | None = None
        self._bytes_per_sample = 0.0

    @property
    def objects(self) -> list[Any]:
        """The objects that are updated."""
        return list(self._objects.values())

    @property
    def _merged(self) -> dict[str, Any]:
        """The objects that each process updates with its share, and that then merge what all of them have."""
        several = self._group.world_size > 1
        return {name: metric for name, metric in self._objects.items() if several and hasattr(metric, "merge_shares")}

    @property
    def _whole(self) -> dict[str, Any]:
        """The objects that rank 0 updates with whole batches."""
        return {name: metric for name, metric in self._objects.items() if name not in self._merged}

    @property
    def are_there(self) -> bool:
        """Whether the task has any."""
        return bool(self._objects) or self._method is not None

    def start(self, device: torch.device, group: ProcessGroup = ALONE) -> None:
        """Begin a test: reset the objects, and move those that are modules to the device.

        Args:
            group: the processes that share each batch; rank 0 gets the outputs of all and computes the metrics.
        """
        self._device, self._group, self._error = device, group, None
        self._outputs, self._targets = Gathered(), Gathered()
        for name, metric in self._objects.items():
            if isinstance(metric, torch.nn.Module):
                metric.to(device)
                if group.world_size > 1:
                    _use_one_process(metric)
            _call(metric, name, "reset")

    def add(self, result: StepResult | None, samples: int) -> None:
        """Add a batch of the test set, or this process's share of it.

        Args:
            result: None for a share without samples.
            samples: samples of the batch or the share.
        """
        if not self.are_there:
            return
        if self._group.world_size == 1:
            assert result is not None
            self._add(result.outputs, result.targets, samples)
            return
        for name, metric in self._merged.items():
            if result is not None:
                _call(metric, name, "update", result.outputs, result.targets)
        if not self._whole and self._method is None:
            return
        share = None if result is None else (copied(result.outputs), copied(result.targets), samples)
        shares = [each for each in self._group.gather(share) if each is not None]
        if self._group.is_first and shares:
            outputs, targets, counts = zip(*shares, strict=True)
            whole = join(outputs, counts), join(targets, counts)
            try:
                self._add(to_device(whole[0], self._device), to_device(whole[1], self._device), sum(counts))
            except LrtuiError as error:
                # raised in all processes when the metrics are computed
                self._error = self._error or error

    def _add(self, outputs: Any, targets: Any, samples: int) -> None:
        for name, metric in self._whole.items():
            _call(metric, name, "update", outputs, targets)
        if self._method is not None:
            self._outputs.add(outputs, samples)
            self._targets.add(targets, samples)

    def compute(self) -> dict[str, float]:
        """Return the values over all batches since the start, by name, in all processes."""
        if not self.are_there:
            return {}
        found: dict[str, float] = {}
        for name, metric in self._merged.items():
            metric.merge_shares(lambda value: self._group.broadcast(self._group.gather(value)))
            _add(found, _values_of_object(metric, name), metric)
            _call(metric, name, "reset")
        return self._group.in_first(lambda: self._compute(found))  # type: ignore[no-any-return]

    def _compute(self, found: dict[str, float]) -> dict[str, float]:
        if self._error is not None:
            raise self._error
        self._bytes_per_sample = self._outputs.bytes_per_sample + self._targets.bytes_per_sample
        if self._method is not None:
            _add(found, self._values_of_method(), self._method)
        for name, metric in self._whole.items():
            _add(found, _values_of_object(metric, name), metric)
            _call(metric, name, "reset")  # it may hold the whole test set
        return found

    def release(self) -> None:
        """Release what was gathered."""
        self._outputs, self._targets = Gathered(), Gathered()

    def describe(self, samples: int) -> str:
        """Return in one line what the last test gathered for `test_metrics`, and its memory; empty if nothing.

        Args:
            samples: samples of the test set.
        """
        if self._method is None:
            return ""
        size = samples * self._bytes_per_sample
        return (
            f"test_metrics: the outputs and targets of the test set are gathered on the CPU, {format_size(round(size))}"
        )

    def _values_of_method(self) -> dict[str, float]:
        outputs, targets = self._outputs.joined(), self._targets.joined()
        try:
            found = self._method(outputs, targets)
        except Exception as error:  # a user's metrics can raise anything
            given = f"outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
            raise _metric_error(f"test_metrics fails on {given}", error, TEST_METRICS) from error
        values = checked_metrics(found, self._method, TEST_METRICS)
        return {name: float(value.double().mean()) if value.numel() else math.nan for name, value in values.items()}


def _use_one_process(metric: torch.nn.Module) -> None:
    """Keep the metrics of torchmetrics from exchanging their states: rank 0 has updated them with everything."""
    for module in metric.modules():
        if hasattr(module, "distributed_available_fn"):
            vars(module)["distributed_available_fn"] = _is_not_distributed


def _is_not_distributed() -> bool:
    return False


def is_metric_object(value: Any) -> bool:
    """Return whether it is an object with `update`, `compute` and `reset`."""
    return not isinstance(value, type) and all(
        callable(getattr(value, name, None)) for name in ("update", "compute", "reset")
    )


def _checked_objects(found: Mapping[Any, Any], task: Any, attribute: str) -> dict[str, Any]:
    for name, value in found.items():
        if not is_metric_object(value):
            raise TaskError(
                f"{attribute} of {_place(task)} has a {describe_shape(value)} as the metric {str(name)!r}; {OBJECTS}"
            )
    return {str(name): value for name, value in found.items()}


def _values_of_object(metric: Any, name: str) -> dict[str, float]:
    found = _call(metric, name, "compute")
    if not isinstance(found, Mapping):
        return {name or type(metric).__name__: _number(found, metric, name)}
    # a mapping without a name of its own, such as a MetricCollection, has the names
    prefix = f"{name} " if name else ""
    return {f"{prefix}{key}": _number(value, metric, f"{prefix}{key}") for key, value in found.items()}


def _number(value: Any, metric: Any, name: str) -> float:
    tensor = metric_tensor(value)
    if tensor is None or tensor.numel() != 1:
        raise TaskError(f"compute() of {_described(metric, name)} returned a {describe_shape(value)}; {ONE_NUMBER}")
    return float(tensor)


def _call(metric: Any, name: str, method: str, *arguments: Any) -> Any:
    try:
        return getattr(metric, method)(*arguments)
    except Exception as error:  # a user's metrics can raise anything
        given = ""
        if arguments:
            outputs, targets = arguments
            given = f" on outputs {describe_shape(outputs)} and targets {describe_shape(targets)}"
        raise _metric_error(f"{method} of {_described(metric, name)} fails{given}", error) from error


def _described(metric: Any, name: str) -> str:
    return f"the metric {name!r}, a {type(metric).__name__}," if name else f"the metric {type(metric).__name__}"


def _metric_error(what: str, error: Exception, expected: str = "") -> LrtuiError:
    if isinstance(error, LrtuiError):
        return error
    text = f"{what}: {describe_exception(error)}{f'; {expected}' if expected else ''}"
    return MetricError(text, on_any_data=isinstance(error, _MISTAKES))


def _add(found: dict[str, float], values: Mapping[str, float], source: Any) -> None:
    what = getattr(source, "__name__", type(source).__name__)
    for name, value in values.items():
        if name == "loss":
            raise TaskError(f"{what} returned a metric named loss; that name is reserved for the test loss")
        if name in found:
            raise TaskError(f"two metrics of the test set are named {name}: rename one")
        found[name] = value


def _place(task: Any) -> str:
    return f"{type(task).__name__}{source_location(type(task))}"
