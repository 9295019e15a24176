"""Where along a series of seconds an x lies, whether the seconds are known one by one or as blocks."""

from __future__ import annotations

import numpy as np

from lrtui.run.minmax_pyramid import BLOCK, Blocks
from lrtui.run.series import Series, index_at, value_at


def test_an_x_is_at_the_first_value_that_is_not_below_it() -> None:
    xs = Series([1.0, 2.0, 4.0])
    assert index_at(xs, np.array([0.0, 1.0, 1.5, 4.0, 5.0])).tolist() == [0, 0, 1, 2, 3]


def test_where_blocks_alone_are_known_it_is_at_a_block() -> None:
    values = np.arange(4 * BLOCK, dtype=np.float64).reshape(4, BLOCK)
    xs = Series()
    xs.extend_blocks(Blocks(values.min(axis=1), values.max(axis=1), values.sum(axis=1), np.full(4, float(BLOCK))))
    xs.extend([4.0 * BLOCK, 4.0 * BLOCK + 1])
    found = index_at(xs, np.array([0.0, BLOCK, 4.0 * BLOCK, 4.0 * BLOCK + 1, 1e9]))
    assert found.tolist() == [0, BLOCK, 4 * BLOCK, 4 * BLOCK + 1, 4 * BLOCK + 2]
    assert value_at(xs, 3) == values[0].mean()
    assert value_at(xs, 4 * BLOCK + 1) == 4.0 * BLOCK + 1
