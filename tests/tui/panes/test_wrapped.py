"""Text wrapped to a width."""

from __future__ import annotations

import pytest

from lrtui.tui.panes.wrapped import wrapped


def test_notation_is_wrapped_at_punctuation_and_never_within_a_number() -> None:
    assert wrapped('ReduceLROnPlateau(factor=0.3, patience=1, metric="mae")', 27) == [
        "ReduceLROnPlateau(",
        "factor=0.3, patience=1,",
        'metric="mae")',
    ]
    assert wrapped("examples/regression.py:Curve", 27) == ["examples/regression.py:", "Curve"]


def test_a_sentence_is_wrapped_at_blanks() -> None:
    assert wrapped("it fails on outputs; loss(outputs, targets)", 27) == [
        "it fails on outputs;",
        "loss(outputs, targets)",
    ]


@pytest.mark.parametrize("text", ["", "   ", "x" * 60, "a (b [c /d: e" * 9, "  led by blanks " * 5])
def test_no_line_is_too_long_and_only_blanks_are_lost(text: str) -> None:
    lines = wrapped(text, 20)
    assert lines
    assert all(len(line) <= 20 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_text_that_fits_or_has_no_width_yet_is_unchanged() -> None:
    assert wrapped("a  short one ", 20) == ["a  short one "]
    assert wrapped("x" * 30, 0) == ["x" * 30]
