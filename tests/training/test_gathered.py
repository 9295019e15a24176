"""Outputs and targets of a test set, concatenated whatever their nesting."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from lrtui.training.gathered import Gathered

Pair = namedtuple("Pair", "mean spread")

X = torch.arange(20.0).reshape(5, 4)
SIZES = (2, 2, 1)


def gathered(batches: list[Any], sizes: tuple[int, ...] = SIZES) -> Any:
    kept = Gathered()
    for batch, size in zip(batches, sizes, strict=True):
        kept.add(batch, size)
    return kept.joined()


def parts(value: torch.Tensor) -> list[torch.Tensor]:
    return list(value.split(SIZES))


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, torch.Tensor):
        return isinstance(found, torch.Tensor) and found.dtype == expected.dtype and torch.equal(found, expected)
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], item) for key, item in expected.items())
    if isinstance(expected, (tuple, list)):
        return type(found) is type(expected) and len(found) == len(expected) and all(map(same, found, expected))
    return bool(found == expected)


@dataclass(frozen=True)
class Both:
    a: Any
    b: Any


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        (parts(X), X),
        ([{"a": x, "b": (x[:, 0],)} for x in parts(X)], {"a": X, "b": (X[:, 0],)}),
        ([(x, x + 1) for x in parts(X)], (X, X + 1)),
        ([[x, x + 1] for x in parts(X)], [X, X + 1]),
        ([Pair(x, x[:, 0]) for x in parts(X)], Pair(X, X[:, 0])),
        ([x.mean() for x in parts(X)], torch.stack([x.mean() for x in parts(X)])),
        ([None] * 3, None),
        ([["a", "b"], ["c", "d"], ["e"]], ["a", "b", "c", "d", "e"]),
        # images of different sizes, a list with an entry per sample
        (
            [
                [torch.zeros(3, 1, 1), torch.zeros(3, 2, 2)],
                [torch.zeros(3, 3, 3), torch.zeros(3, 1, 1)],
                [torch.zeros(3, 1, 2)],
            ],
            [torch.zeros(3, *size) for size in ((1, 1), (2, 2), (3, 3), (1, 1), (1, 2))],
        ),
        # what a detector returns: a dict per image
        (
            [({"boxes": torch.zeros(2, 4)}, {"boxes": torch.zeros(2, 4)})] * 2 + [({"boxes": torch.ones(1, 4)},)],
            ({"boxes": torch.zeros(2, 4)},) * 4 + ({"boxes": torch.ones(1, 4)},),
        ),
        # sequences padded to the longest of their batch
        ([torch.ones(2, 3), torch.ones(2, 5), torch.ones(1, 4)], [torch.ones(n) for n in (3, 3, 5, 5, 4)]),
        (
            [Both(x, {"b": x}) for x in parts(X)],
            Both(X, {"b": X}),
        ),
    ],
)
def test_values_are_joined_in_the_nesting_that_every_batch_has(batches: list[Any], expected: Any) -> None:
    found = gathered(batches)
    if isinstance(expected, Both):
        found, expected = (found.a, found.b), (expected.a, expected.b)
    if isinstance(expected, tuple) and isinstance(found, list):
        expected = list(expected)
    assert same(found, expected), found


def test_arrays_and_mappings_keep_their_type() -> None:
    assert np.array_equal(gathered([x.numpy() for x in parts(X)]), X.numpy())
    assert isinstance(gathered([OrderedDict(a=x) for x in parts(X)]), OrderedDict)


def test_copies_are_detached_and_independent_and_bfloat16_can_become_an_array() -> None:
    value = torch.ones(2, requires_grad=True)
    kept = Gathered()
    kept.add({"x": value, "past_key_values": value}, 2)
    with torch.no_grad():
        value.fill_(7)
    joined = kept.joined()
    assert joined == {"x": pytest.approx([1.0, 1.0])} or torch.equal(joined["x"], torch.ones(2))
    assert not joined["x"].requires_grad
    assert "past_key_values" not in joined
    half = Gathered()
    half.add(torch.ones(3, dtype=torch.bfloat16), 3)
    assert half.joined().numpy().tolist() == [1.0, 1.0, 1.0]
    assert half.bytes_per_sample == 4
