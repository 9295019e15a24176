"""What a LightningModule logs with `self.log`: values of a step, and metrics of a whole test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

TAKEN = ("loss", "lr")
"""Names that the panes of the loss and the lr have; the loss that is logged is the loss of the step anyway."""


class LoggedValues:
    """The values that are logged within one step."""

    def __init__(self) -> None:
        self.tensors: dict[str, Any] = {}
        """Numbers and 0-d tensors, detached, by name."""
        self.metrics: dict[str, Any] = {}
        """Objects of torchmetrics by name, computed at the end of a test."""
        self.sizes: dict[str, int] = {}
        """Samples that a value is the mean of, if they are not those of the batch."""
        self.reductions: dict[str, Any] = {}
        """How the values of all batches become one: `mean`, `sum`, `max`, `min`, or a function."""
        self.samples, self.model = 1, None

    def add(self, name: str, value: Any, options: Mapping[str, Any]) -> None:
        """Take one call of `self.log`."""
        if callable(getattr(value, "compute", None)) and callable(getattr(value, "update", None)):
            self.metrics[name] = value
            return
        self.tensors[name] = value.detach().squeeze() if isinstance(value, torch.Tensor) else value
        self.reductions[name] = options.get("reduce_fx", "mean")
        if options.get("batch_size") is not None:
            self.sizes[name] = int(options["batch_size"])

    def numbers(self) -> dict[str, Any]:
        """Return the values of a training step; of a metric object its value on the batch, if it has one."""
        on_batch = {name: getattr(metric, "_forward_cache", None) for name, metric in self.metrics.items()}
        found = {**self.tensors, **{name: value for name, value in on_batch.items() if value is not None}}
        return {name: value for name, value in found.items() if name not in TAKEN}

    def end_batch(self, batch: Any, model: Any) -> None:
        """Add what the values belong to.

        Args:
            batch: its size weights them.
            model: its hook is called at the end of the test.
        """
        self.samples, self.model = _samples(batch) or 1, model


class LoggedMetrics:
    """The values that the steps of a test have logged: `update` takes those of one batch.

    As in Lightning, a value is the mean over the batches, weighted by their sizes, unless `reduce_fx` says otherwise.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start a test."""
        self._values: dict[str, list[Any]] = {}
        self._weights: dict[str, list[int]] = {}
        self._reductions: dict[str, Any] = {}
        self._metrics: dict[str, Any] = {}
        self._model: Any = None

    def update(self, logged: LoggedValues, targets: Any) -> None:
        """Take what the step of a batch has logged."""
        self._model = logged.model
        self._metrics.update(logged.metrics)
        self._reductions.update(logged.reductions)
        for name, value in logged.tensors.items():
            self._values.setdefault(name, []).append(value)
            self._weights.setdefault(name, []).append(logged.sizes.get(name, logged.samples))

    def merge_shares(self, everyone: Callable[[Any], list[Any]]) -> None:
        """Take what the steps of other processes have logged, each of its share of the batches.

        Objects of torchmetrics are left as they are: they merge their states themselves when they are computed.

        Args:
            everyone: returns what each process has, by rank; all of them call it.
        """
        found = everyone((self._values, self._weights, self._reductions))
        self._values, self._weights = {}, {}
        for values, weights, reductions in found:
            for name in values:
                self._values.setdefault(name, []).extend(values[name])
                self._weights.setdefault(name, []).extend(weights[name])
            self._reductions.update(reductions)

    def compute(self) -> dict[str, Any]:
        """Return the values of the whole test by name, after the module's hook at its end."""
        at_end = LoggedValues()
        if self._model is not None and hasattr(self._model, "on_validation_epoch_end"):
            with logging_to(self._model, at_end):
                self._model.on_validation_epoch_end()
        found = {name: self._reduced(name) for name in self._values}
        found.update(at_end.tensors)
        for name, metric in {**self._metrics, **at_end.metrics}.items():
            found[name] = metric.compute()
        for metric in {**self._metrics, **at_end.metrics}.values():
            metric.reset()
        return {name: value for name, value in found.items() if name not in TAKEN}

    def _reduced(self, name: str) -> Any:
        values = torch.stack([torch.as_tensor(value, dtype=torch.float64).cpu() for value in self._values[name]])
        reduction = self._reductions[name]
        if reduction in ("mean", torch.mean):
            weights = torch.tensor(self._weights[name], dtype=torch.float64)
            return (values * weights).sum() / weights.sum()
        if isinstance(reduction, str):
            return getattr(values, reduction)()
        return reduction(values)


@contextmanager
def logging_to(model: Any, values: LoggedValues, others: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Let `self.log` of a module add to these values within the block.

    Args:
        others: further methods that are replaced.
    """

    def log(name: str, value: Any, *_: Any, **options: Any) -> None:
        values.add(name, value, options)

    def log_dict(dictionary: Mapping[str, Any], *_: Any, **options: Any) -> None:
        for name, value in dictionary.items():
            values.add(name, value, options)

    # attributes of the object hide the methods of its class
    replaced = {"log": log, "log_dict": log_dict, **(others or {})}
    vars(model).update(replaced)
    try:
        yield
    finally:
        for name in replaced:
            vars(model).pop(name, None)


def _samples(batch: Any) -> int | None:
    """Return the length of the first tensor of a batch, as Lightning counts; None if there is none."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)):
        return next((count for each in batch if (count := _samples(each)) is not None), None)
    return None
