"""Steps in columns as rows of the store's tables, and the summaries of blocks of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any

import numpy as np

from lrtui.run.feed import StepBlock
from lrtui.run.minmax_pyramid import BLOCK, Floats

LR_SERIES = "lr "
"""Prefix of a parameter group's number in the column `series` of the table `blocks`."""

METRIC_SERIES = "metric "
"""Prefix of a metric's name in the column `series` of the table `blocks`."""


def batch_rows(run: int, block: StepBlock) -> Iterable[tuple[Any, ...]]:
    """Return the rows of the table `batches`."""
    return zip(
        repeat(run),
        block.seqs.tolist(),
        range(block.first_step, block.first_step + len(block)),
        block.epochs.tolist(),
        block.batches.tolist(),
        block.seconds.tolist(),
        block.loss.tolist(),
        np.isfinite(block.loss).astype(np.int64).tolist(),
        block.lrs[0].tolist(),
        strict=False,
    )


def group_lr_rows(run: int, block: StepBlock) -> Iterable[tuple[Any, ...]]:
    """Yield the rows of the table `group_lrs`: the lrs of the groups after the first one, from where each was added."""
    for group, lrs in enumerate(block.lrs[1:], 1):
        first = block.added.get(group, 0)
        yield from zip(repeat(run), block.seqs[first:].tolist(), repeat(group), lrs[first:].tolist(), strict=False)


def metric_rows(run: int, block: StepBlock) -> Iterable[tuple[Any, ...]]:
    """Yield the rows of the table `step_metrics`, which has none for a step without a value."""
    for name, values in block.metrics.items():
        known = ~np.isnan(values)
        yield from zip(repeat(run), block.seqs[known].tolist(), repeat(name), values[known].tolist(), strict=False)


def columns_of(block: StepBlock) -> dict[str, Floats]:
    """Return all values of the steps by their series in the table `blocks`."""
    columns = {"seconds": block.seconds, "loss": block.loss}
    columns |= {f"{LR_SERIES}{group}": lrs for group, lrs in enumerate(block.lrs)}
    return columns | {METRIC_SERIES + name: values for name, values in block.metrics.items()}


class BlockSummaries:
    """Summarizes the steps of one run, BLOCK at a time.

    Args:
        done: steps summarized before, a multiple of BLOCK.
    """

    def __init__(self, done: int = 0) -> None:
        self._next = done // BLOCK
        self._waiting = 0
        self._parts: list[tuple[Mapping[str, Floats], int]] = []
        """Columns of the steps that fill no block yet, and how many they are."""

    def add(self, columns: Mapping[str, Floats], count: int) -> list[tuple[Any, ...]]:
        """Add some steps; return the rows (series, block, low, high, sum, count) of all full blocks."""
        self._parts.append((columns, count))
        self._waiting += count
        blocks = self._waiting // BLOCK
        if not blocks:
            return []
        names = sorted({name for part, _ in self._parts for name in part})
        values = {name: self._joined(name) for name in names}
        rows: list[tuple[Any, ...]] = []
        for name, column in values.items():
            rows += _block_rows(name, self._next, column[: blocks * BLOCK].reshape(blocks, BLOCK))
        self._waiting -= blocks * BLOCK
        self._next += blocks
        # copied, so that a large block is not kept in memory for its last steps
        rest = {name: column[blocks * BLOCK :].copy() for name, column in values.items()}
        self._parts = [(rest, self._waiting)] if self._waiting else []
        return rows

    def _joined(self, name: str) -> Floats:
        parts = [part[name] if name in part else np.full(count, np.nan) for part, count in self._parts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _block_rows(name: str, first: int, table: Floats) -> Iterable[tuple[Any, ...]]:
    """Yield a row for each block with a finite value."""
    finite = np.isfinite(table)
    counts = finite.sum(axis=1)
    low = np.where(finite, table, np.inf).min(axis=1).tolist()
    high = np.where(finite, table, -np.inf).max(axis=1).tolist()
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.where(finite, table, 0.0).sum(axis=1).tolist()
    for place in np.flatnonzero(counts).tolist():
        yield name, first + place, low[place], high[place], total[place], int(counts[place])
