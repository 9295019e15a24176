"""A count with its noun."""

from __future__ import annotations

import pytest

from lrtui.text.format import counted


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "seed", "1 seed"),
        (0, "seed", "0 seeds"),
        (12_345, "epoch", "12,345 epochs"),
        (2, "batch", "2 batches"),
        (1, "process", "1 process"),
        (3, "process", "3 processes"),
        (1.0, "full run", "1 full run"),
        (2.0, "full run", "2 full runs"),
        (0.5, "full run", "0.5 full runs"),
    ],
)
def test_the_noun_is_singular_for_one_alone(count: float, noun: str, text: str) -> None:
    assert counted(count, noun) == text
