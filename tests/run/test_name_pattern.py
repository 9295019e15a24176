"""Patterns that choose metrics by their names."""

from __future__ import annotations

import pytest

from lrtui.run.name_pattern import name_matches

NAMES = ("grad/conv1.weight", "grad/conv1.bias", "train/loss", "Grad_norm", "a[0]")


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("", NAMES),
        ("   ", NAMES),
        ("grad*", ("grad/conv1.weight", "grad/conv1.bias", "Grad_norm")),
        ("grad* !*bias", ("grad/conv1.weight", "Grad_norm")),
        ("!bias", ("grad/conv1.weight", "train/loss", "Grad_norm", "a[0]")),
        ("loss norm", ("train/loss", "Grad_norm")),
        ("*norm", ("Grad_norm",)),
        ("conv?.bias", ()),
        ("*conv?.bias", ("grad/conv1.bias",)),
        ("nothing", ()),
        ("!", NAMES),
        ("a[", ()),
    ],
)
def test_names_match_words_and_wildcards(pattern: str, matching: tuple[str, ...]) -> None:
    assert tuple(name for name in NAMES if name_matches(pattern, name)) == matching
