"""The list of epochs that a branch can start after."""

from __future__ import annotations

from lrtui.tui.screens.branch_point import EpochEnd, epoch_lines


def test_lrs_are_aligned_on_the_decimal_point() -> None:
    ends = [EpochEnd(index + 1, 500 * (index + 1), index, (lr,), None) for index, lr in enumerate((10.5, 0.001, 2.0))]
    lines = epoch_lines(ends)
    assert lines[0].index("10.5") + 2 == lines[1].index("0.001") + 1
    assert len({line.index("lr") for line in lines}) == 1
    assert epoch_lines([]) == []
