"""Recognizes what a list holds: single samples, or batches of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lrtui.run.errors import TaskError, describe_shape
from lrtui.training.memory_batches import is_array

LOOKED_AT = 200
"""Items of a list whose shapes are compared, besides the last one."""

FEW = 4
"""A common length up to which arrays may be a batch, or one sample with as many channels and targets."""

Shape = tuple[int, ...]


def list_form(data: Any, where: str) -> Literal["samples", "batches"]:
    """Return what the items are.

    A number or a text is a sample's. So is a part whose length differs from the others', since all parts of a batch
    have as many entries as it has samples.

    Args:
        data: a list, or any object with a length and items by number; not empty.
        where: the task's method, for messages.

    Raises:
        TaskError: if they may be either.
    """
    count, items = len(data), _some(data)
    found = [_Item(item) for item in items]
    if any(each.has_scalars for each in found):
        return "samples"
    if count == 1 or any(each.is_collated or not each.shapes for each in found):
        return "batches"
    if all(map(is_array, items)):
        raise _ambiguous(items[0], count, where, "a pair of tensors is written (inputs, targets), as a tuple")
    if not all(each.may_be_batch for each in found):
        return "samples"
    sizes = [each.size for each in found]
    if None in sizes:
        raise _ambiguous(items[0], count, where)
    whole, last = set(sizes[:-1]), sizes[-1]
    is_cut = len(whole) == 1 and last is not None and last < max(size for size in sizes if size)
    if not is_cut and (max(size for size in sizes if size) <= FEW or all(each.is_flat for each in found)):
        raise _ambiguous(items[0], count, where)
    return "batches"


def _some(data: Any) -> list[Any]:
    """Return the first items, and the last one."""
    # what is no list may load or transform each item
    most = LOOKED_AT if isinstance(data, (list, tuple)) else 1
    return [*(data[index] for index in range(min(len(data) - 1, most))), data[len(data) - 1]]


class _Item:
    """What the shapes of one item's parts say.

    Args:
        item: one of a list's items.
    """

    def __init__(self, item: Any) -> None:
        self.has_scalars = self.is_collated = False
        self.shapes: list[Shape] = []
        """Of each array in it."""
        self._look(item)

    def _look(self, part: Any) -> None:
        if isinstance(part, Mapping):
            for value in part.values():
                self._look(value)
        elif isinstance(part, (int, float, str)) or (is_array(part) and not part.ndim):
            self.has_scalars = True
        elif is_array(part):
            self.shapes.append(tuple(part.shape))
        elif isinstance(part, (tuple, list)):
            self._look_into(part)

    def _look_into(self, parts: Sequence[Any]) -> None:
        if parts and all(isinstance(part, (int, float, str)) for part in parts):
            # the numbers or texts of all samples, or the tokens of one
            self.shapes.append((len(parts),))
        else:
            for part in parts:
                # a loader makes lists of what it can't stack: images of different sizes, dicts of boxes
                if isinstance(part, (tuple, list)) and part:
                    self.is_collated |= isinstance(part[0], Mapping) or (isinstance(part, list) and is_array(part[0]))
                self._look(part)

    @property
    def size(self) -> int | None:
        """The length that all parts have in common, or None."""
        lengths = {shape[0] for shape in self.shapes}
        return lengths.pop() if len(lengths) == 1 else None

    @property
    def is_flat(self) -> bool:
        """Whether all parts are vectors."""
        return all(len(shape) == 1 for shape in self.shapes)

    @property
    def may_be_batch(self) -> bool:
        """Whether it has as many samples in each part, along some dimension."""
        first, *others = self.shapes
        if not others or any(first[0] == other[0] for other in others):
            return True
        # sequences first, or targets of flattened sequences
        possible = {*first, first[0] * first[1]} if len(first) > 1 else set(first)
        return all(other[0] in possible for other in others)


def _ambiguous(first: Any, count: int, where: str, more: str = "") -> TaskError:
    size = _Item(first).size
    return TaskError(
        f"{where} returned a list of {count:,} items, the first one a {describe_shape(first)}: they may be samples, or "
        f"batches{f' of {size:,}' if size else ''}. Write DataLoader(data, batch_size=64, shuffle=True) if they are "
        f"samples, DataLoader(data, batch_size=None) if they are batches{f'; {more}' if more else ''}"
    )
