"""Steps in lines of JSON, gathered into blocks of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lrtui.run.feed import FeedItem, StepBlock
from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.named_series import MOST_SERIES
from lrtui.text.format import counted

LARGEST = 2**62

MAX_GAP = 10_000
"""Steps that may be missing in a row, because their lines can't be read; NaN stands for them."""

MAX_GROUPS = 1_000


class StepRows:
    """The steps of a run in order: each is checked, and gets the place that follows the one before.

    Args:
        first_step: the first step of the run.
        groups: number of its parameter groups.
    """

    def __init__(self, first_step: int, groups: int) -> None:
        self.next_step = first_step
        self._groups = groups
        self._groups_before: list[tuple[int, int]] = []
        self._names: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self._first_step = self.next_step
        self._whole: list[tuple[int, int, int]] = []
        self._floats: list[tuple[float, float]] = []
        self._lrs: list[tuple[float, ...]] = []
        self._metrics: list[dict[str, float] | None] = []

    def resume(self, step: int) -> None:
        """Go on from an earlier step, with the parameter groups that there were before it."""
        while self._groups_before and self._groups_before[-1][0] >= step:
            self._groups = self._groups_before.pop()[1]
        self.next_step = step
        self._clear()

    def add(self, record: dict[str, Any]) -> list[FeedItem]:
        """Add a step; return the blocks that it ends.

        Raises:
            ValueError: if it is no step, or not the next one.
        """
        get = record.get
        seq, step = _count(get("seq")), _count(get("step"))
        epoch, batch = _count(get("epoch")), _count(get("batch"))
        seconds, loss = _number(get("seconds")), _number(get("loss"))
        if not math.isfinite(seconds):
            raise ValueError(f"its seconds are {seconds}")
        logged = get("lrs")
        if type(logged) is not list or not self._groups <= len(logged) <= MAX_GROUPS:
            raise ValueError(f"it has not the lrs of {counted(self._groups, 'parameter group')}")
        lrs = tuple(map(_number, logged))
        metrics = self._metrics_of(get("metrics"))
        missing = step - self.next_step
        if not 0 <= missing <= MAX_GAP:
            raise ValueError(f"its step is {step}, but {self.next_step} is the next one")
        ended: list[FeedItem] = []
        if missing:
            # their `seq` is not known, and is that of no other event
            ended = [*self.take(), self._missing(missing, seq, epoch)]
            self.next_step = step
            self._clear()
        if len(lrs) > self._groups:
            self._groups_before.append((step, self._groups))
            self._groups = len(lrs)
        self._whole.append((seq, epoch, batch))
        self._floats.append((seconds, loss))
        self._lrs.append(lrs)
        self._metrics.append(metrics)
        self.next_step += 1
        return ended

    def take(self) -> list[FeedItem]:
        """Return the steps that were added since the last call."""
        if not self._whole:
            return []
        whole = np.array(self._whole, dtype=np.int64)
        floats = np.array(self._floats)
        count, groups = len(whole), len(self._lrs[-1])
        lrs = np.full((count, groups), np.nan)
        added: dict[int, int] = {}
        if len(self._lrs[0]) == groups:
            lrs[:] = self._lrs
        else:
            for row, values in enumerate(self._lrs):
                lrs[row, : len(values)] = values
                if row and len(values) > len(self._lrs[row - 1]):
                    added |= dict.fromkeys(range(len(self._lrs[row - 1]), len(values)), row)
        block = StepBlock(
            first_step=self._first_step,
            seqs=whole[:, 0].copy(),
            epochs=whole[:, 1].copy(),
            batches=whole[:, 2].copy(),
            seconds=floats[:, 0].copy(),
            loss=floats[:, 1].copy(),
            lrs=tuple(np.ascontiguousarray(column) for column in lrs.T),
            metrics=self._columns(count),
            added=added,
        )
        self._clear()
        return [block]

    def _metrics_of(self, metrics: Any) -> dict[str, float] | None:
        if metrics is None:
            return None
        if type(metrics) is not dict:
            raise ValueError("its metrics are no numbers by name")
        found = {str(name): _number(value) for name, value in metrics.items()}
        if len(self._names | found.keys()) > MOST_SERIES:
            raise ValueError(f"it has more than {MOST_SERIES:,} metrics, with those of the steps before")
        self._names |= found.keys()
        return found

    def _columns(self, count: int) -> dict[str, Floats]:
        columns: dict[str, Floats] = {}
        for row, metrics in enumerate(self._metrics):
            for name, value in (metrics or {}).items():
                if name not in columns:
                    columns[name] = np.full(count, np.nan)
                columns[name][row] = value
        return {name: columns[name] for name in sorted(columns)}

    def _missing(self, count: int, seq: int, epoch: int) -> StepBlock:
        nothing = np.full(count, np.nan)
        return StepBlock(
            first_step=self.next_step,
            seqs=np.full(count, max(0, seq - 1)),
            epochs=np.full(count, epoch),
            batches=np.ones(count, dtype=np.int64),
            seconds=nothing,
            loss=nothing,
            lrs=(nothing,) * self._groups,
        )


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < LARGEST:
        raise ValueError(f"{str(value)[:50]!r} is not a count")
    return value


def _number(value: Any) -> float:
    """Return a number; null is NaN.

    Raises:
        ValueError: for anything else.
    """
    if type(value) is float:
        return value
    if value is None:
        return math.nan
    if type(value) is int and -LARGEST < value < LARGEST:
        return float(value)
    raise ValueError(f"{str(value)[:50]!r} is not a number")
