"""How a batch is passed to the model, and what the loss and the metrics are computed from."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from lrtui.run.errors import TaskError, describe_shape, source_location

TARGET_NAMES = ("labels", "label", "targets", "target", "y")
"""Keys of a batch that hold its targets, in the order they are looked for."""


SHOWN_PARTS = 8
"""Parts of a batch that the line at a run's start describes."""


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call of the model for one batch.

    Args:
        targets: what `loss(outputs, targets)` and `metrics(outputs, targets)` get.
        text: the call as the user would write it, such as `model(**batch)`.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    targets: Any = None
    text: str = "model(batch)"


class BatchReader:
    """Reads batches for one model.

    Args:
        model: the parameters of its `forward` decide which parts of a batch it gets.
        has_loss: whether the task has `loss(outputs, targets)`; otherwise the model gets all of a batch and returns
            its loss.
    """

    def __init__(self, model: torch.nn.Module, has_loss: bool) -> None:
        self._forward, self._has_loss = model.forward, has_loss
        try:
            self._signature = inspect.signature(model.forward)
        except (TypeError, ValueError):  # a forward in native code: it may take anything
            self._signature = inspect.signature(lambda *args, **kwargs: None)
        self._parameters = list(self._signature.parameters.values())
        kinds = {parameter.kind for parameter in self._parameters}
        positional = [parameter for parameter in self._parameters if parameter.kind in _POSITIONAL]
        self._required = sum(parameter.default is parameter.empty for parameter in positional)
        self._most = math.inf if inspect.Parameter.VAR_POSITIONAL in kinds else len(positional)
        self._takes_any_name = inspect.Parameter.VAR_KEYWORD in kinds
        self._names = {parameter.name for parameter in self._parameters if parameter.kind in _NAMED}

    def read(self, batch: Any) -> ModelCall:
        """Return how the model is called for a batch.

        Raises:
            TaskError: if the batch does not fit the model's `forward`.
        """
        call = self._read(batch)
        try:
            self._signature.bind(*call.args, **call.kwargs)
        except TypeError as error:
            raise self._misfit(batch, "inputs that it can be called with") from error
        return call

    def _read(self, batch: Any) -> ModelCall:
        if isinstance(batch, Mapping):
            return self._read_mapping(batch)
        if not isinstance(batch, (tuple, list)):
            return ModelCall((batch,), targets=batch)
        if not batch:
            raise TaskError("a batch is empty: expected tensors")
        if len(batch) == 1:
            return ModelCall((batch[0],), targets=batch[0], text="model(batch[0])")
        if not self._has_loss:
            taken = tuple(batch[: int(min(self._most, len(batch)))])
            text = "model(*batch)" if len(taken) == len(batch) else f"model(*batch[:{len(taken)}])"
            return ModelCall(taken, targets=batch[-1], text=text)
        if len(batch) == 2:
            return self._read_pair(*batch)
        return self._read_several(batch)

    def _read_pair(self, inputs: Any, targets: Any) -> ModelCall:
        if isinstance(inputs, Mapping) and self._accepts(inputs):
            return ModelCall(kwargs=inputs, targets=targets, text="model(**inputs)")
        if self._required < 2:
            return ModelCall((inputs,), targets=targets, text="model(inputs)")
        if isinstance(inputs, (tuple, list)) and self._takes_count(len(inputs)):
            return ModelCall(tuple(inputs), targets=targets, text="model(*inputs)")
        if self._takes_count(2):
            return ModelCall((inputs, targets), targets=targets, text="model(inputs, targets)")
        raise self._misfit((inputs, targets), "as many inputs as forward requires")

    def _read_several(self, batch: tuple[Any, ...] | list[Any]) -> ModelCall:
        count = len(batch)
        if self._required > 1 and self._takes_count(count - 1):
            return ModelCall(tuple(batch[:-1]), targets=batch[-1], text=f"model(*batch[:{count - 1}])")
        if self._required > 1 and self._takes_count(count):
            return ModelCall(tuple(batch), targets=batch, text="model(*batch)")
        if self._required > 1:
            raise self._misfit(batch, "as many inputs as forward requires, then the targets")
        return ModelCall((batch[0],), targets=tuple(batch[1:]), text="model(batch[0])")

    def _read_mapping(self, batch: Mapping[Any, Any]) -> ModelCall:
        accepted = {key: value for key, value in batch.items() if self._takes(key)}
        rest = {key: value for key, value in batch.items() if key not in accepted}
        named = [key for key in TARGET_NAMES if key in batch]
        if rest and accepted:
            targets = next(iter(rest.values())) if len(rest) == 1 else rest
        else:
            targets = batch[named[0]] if named else batch
        if self._has_loss and named and not rest and not self._names & {named[0]}:
            # a forward with **kwargs takes any name, and the loss gets the targets
            accepted = {key: value for key, value in accepted.items() if key != named[0]}
        if accepted:
            missing = [name for name in self._required_names if name not in accepted]
            if missing:
                raise self._misfit(batch, f"also {', '.join(missing)}")
            text = "model(**batch)" if len(accepted) == len(batch) else f"model({_keywords(accepted)})"
            return ModelCall(kwargs=accepted, targets=targets, text=text)
        inputs = [key for key in batch if key not in named[:1]]
        if named and len(inputs) == 1 and self._takes_count(1):
            return ModelCall((batch[inputs[0]],), targets=targets, text=f"model(batch[{inputs[0]!r}])")
        raise self._misfit(batch, "keys that are parameters of forward")

    @property
    def _required_names(self) -> list[str]:
        return [each.name for each in self._parameters if each.kind in _NAMED and each.default is each.empty]

    def _takes_count(self, count: int) -> bool:
        return self._required <= count <= self._most

    def _takes(self, key: Any) -> bool:
        return key in self._names or (self._takes_any_name and isinstance(key, str))

    def _accepts(self, inputs: Mapping[Any, Any]) -> bool:
        return bool(inputs) and all(map(self._takes, inputs)) and all(name in inputs for name in self._required_names)

    def _misfit(self, batch: Any, expected: str) -> TaskError:
        signature = ", ".join(str(parameter) for parameter in self._parameters)
        return TaskError(
            f"a batch does not fit the model: it is a {describe_shape(batch)}, and its forward"
            f"{source_location(self._forward)} is forward({signature}); expected {expected}, or a method "
            "step(model, batch) of the task"
        )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def describe_batch(batch: Any) -> str:
    """Return what a batch consists of, for the line at a run's start."""
    if isinstance(batch, Mapping):
        return f"dict of {_first_parts(map(str, batch), len(batch))}"
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        return f"pair of inputs ({_short(batch[0])}) and targets ({_short(batch[1])})"
    if isinstance(batch, (tuple, list)):
        return f"{type(batch).__name__} of {len(batch)} ({_first_parts(map(_short, batch), len(batch))})"
    return _short(batch)


def _first_parts(parts: Iterable[str], count: int) -> str:
    more = f" and {count - SHOWN_PARTS:,} more" if count > SHOWN_PARTS else ""
    return ", ".join(islice(parts, SHOWN_PARTS)) + more


def _short(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)}"
    return describe_shape(value)


def _keywords(names: Mapping[Any, Any]) -> str:
    return ", ".join(f"{name}=" for name in names)
