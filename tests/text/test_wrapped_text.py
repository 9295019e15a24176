"""Prose wrapped between words, and tables on narrow terminals."""

from __future__ import annotations

import pytest

from lrtui.text.format import wrapped
from lrtui.text.table import Heading, table_lines

PROSE = (
    "ahead of StepLR(step_size=3) by 0.0123, [+0.0021, +0.0225]: beyond noise (5 seeds), after 188 steps of 10 epochs"
)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_prose_is_broken_between_words_only(width: int) -> None:
    lines = wrapped(PROSE, width)
    assert all(len(line) <= width for line in lines)
    assert " ".join(line.strip() for line in lines) == PROSE


def test_further_lines_keep_the_indent() -> None:
    assert wrapped("  one two three four", 17, indent=4) == ["  one two three", "      four"]


def test_short_lines_and_lines_without_a_limit_are_unchanged() -> None:
    assert wrapped(PROSE, None) == [PROSE]
    assert wrapped("", 80) == [""]
    assert wrapped("a  b", 80) == ["a  b"]


HEADINGS = [Heading("schedule"), Heading("sd", "."), Heading("verdict")]
ROWS = [["OneCycleLR(max_lr=0.003)", "0.0123", "within noise"]]


def test_a_narrow_table_leaves_out_removable_columns_before_it_cuts_others() -> None:
    lines = table_lines(HEADINGS, ROWS, 36, {"schedule": 16}, ["sd"])
    assert lines[0].split() == ["schedule", "verdict"]
    assert lines[1].endswith("within noise")


def test_a_table_keeps_removable_columns_for_which_there_is_room() -> None:
    assert "0.0123" in table_lines(HEADINGS, ROWS, 40, {"schedule": 16}, ["sd"])[1]
