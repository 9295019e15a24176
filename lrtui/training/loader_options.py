"""How lrtui makes batches of a task's samples: the optional attributes of a task that a DataLoader takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from lrtui.run.errors import TaskError, source_location


@dataclass(frozen=True, slots=True)
class LoaderOptions:
    """Options of the DataLoader that lrtui makes.

    Args:
        drop_last: leave out the last batch of an epoch if it is smaller than the others.
        collate_fn: makes a batch of a list of samples; None for PyTorch's.
        num_workers: processes that load samples.
    """

    drop_last: bool = False
    collate_fn: Callable[[list[Any]], Any] | None = None
    num_workers: int = 0

    @property
    def given(self) -> list[str]:
        """The options that are not at their defaults, as the task writes them."""
        texts = {
            "drop_last=True": self.drop_last,
            "collate_fn": self.collate_fn is not None,
            f"num_workers={self.num_workers}": self.num_workers,
        }
        return [text for text, is_given in texts.items() if is_given]


def loader_options(task: Any, *, training: bool) -> LoaderOptions:
    """Return the options that a task has as attributes.

    Args:
        training: whether they are for the training data. Test data is never cut by `drop_last`, and collated by
            `test_collate_fn` if there is one.

    Raises:
        TaskError: for a value that a DataLoader does not take.
    """
    where = f"{type(task).__name__}{source_location(type(task))}"
    drop_last, workers = getattr(task, "drop_last", False), getattr(task, "num_workers", 0)
    if not isinstance(drop_last, bool):
        raise TaskError(f"drop_last of {where} must be True or False, not {drop_last!r}")
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 0:
        raise TaskError(f"num_workers of {where} must be a number of processes, 0 or more, not {workers!r}")
    names = ("collate_fn",) if training else ("test_collate_fn", "collate_fn")
    collate = next((found for name in names if (found := _function(task, name, where)) is not None), None)
    return LoaderOptions(drop_last and training, collate, workers)


def _function(task: Any, name: str, where: str) -> Any:
    """Return a task's function of one argument, a method or a plain function that is an attribute of its class."""
    found = getattr(task, name, None)
    if found is None:
        return None
    if not callable(found):
        raise TaskError(f"{name} of {where} must be a function of a list of samples, not {found!r}")
    stored = inspect.getattr_static(task, name)
    # collate_fn = my_collate in a class body makes a method of a function that takes no self
    if isinstance(stored, FunctionType) and _required(stored) == 1 and "self" not in stored.__code__.co_varnames[:1]:
        return stored
    return found


def _required(function: FunctionType) -> int:
    parameters = inspect.signature(function).parameters.values()
    return sum(each.default is each.empty and each.kind is not each.VAR_POSITIONAL for each in parameters)
