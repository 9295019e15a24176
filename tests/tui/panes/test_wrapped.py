"""Text in lines of a width."""

from __future__ import annotations

import pytest

from lrtui.tui.panes.wrapped import wrapped


def test_notation_is_broken_at_its_joints_and_no_number_is() -> None:
    assert wrapped('ReduceLROnPlateau(factor=0.3, patience=1, metric="mae")', 27) == [
        "ReduceLROnPlateau(",
        "factor=0.3, patience=1,",
        'metric="mae")',
    ]
    assert wrapped("examples/regression.py:Curve", 27) == ["examples/regression.py:", "Curve"]


def test_a_sentence_is_broken_at_blanks() -> None:
    assert wrapped("it fails on outputs; loss(outputs, targets)", 27) == [
        "it fails on outputs;",
        "loss(outputs, targets)",
    ]


@pytest.mark.parametrize("text", ["", "   ", "x" * 60, "a (b [c /d: e" * 9, "  led by blanks " * 5])
def test_no_line_is_too_long_and_nothing_but_blanks_is_lost(text: str) -> None:
    lines = wrapped(text, 20)
    assert lines
    assert all(len(line) <= 20 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_what_fits_and_what_is_not_laid_out_yet_is_left_alone() -> None:
    assert wrapped("a  short one ", 20) == ["a  short one "]
    assert wrapped("x" * 30, 0) == ["x" * 30]
