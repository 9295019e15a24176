"""The lr that a run has recorded, at the steps that it was recorded at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrtui.run.events import StepDone
from lrtui.run.feed import FeedItem, StepBlock

if TYPE_CHECKING:
    from lrtui.run.minmax_pyramid import Floats
    from lrtui.run.state import RunState

MAX_SPANS = 500
"""Maximum number of spans per parameter group that are stored of the steps of a log; of more, fewer steps are kept."""


@dataclass(frozen=True, slots=True)
class RecordedCurve:
    """The lrs that a run has recorded.

    Args:
        steps: the steps, increasing, shape (points,).
        lrs: the lr at each of them, shape (points, parameter groups); NaN where a group has none.
        total_steps: steps of the whole run; None if unknown.
        batches_per_epoch: steps per epoch; None if unknown.
        is_over: whether the run has ended, so that no further points follow.
    """

    steps: NDArray[np.int64]
    lrs: Floats
    total_steps: int | None = None
    batches_per_epoch: int | None = None
    is_over: bool = True

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def length(self) -> int:
        """Steps of the whole run, or if they are unknown those up to the last recorded one."""
        last = int(self.steps[-1]) if len(self) else -1
        recorded = last if self._counts_from_one else last + 1
        total = self.total_steps or 0
        # the steps of a run of known length may be counted from 1
        return total if last <= total else recorded

    @property
    def _counts_from_one(self) -> bool:
        """Whether steps look as if they were counted from 1: 1, 2, 3 ..., or 50, 100, 150 ..."""
        if len(self) < 2 or self.steps[0] == 0:
            return False
        gap = int(np.median(np.diff(self.steps)))
        return bool(self.steps[-1] % gap == 0) if gap > 1 else bool(self.steps[0] == 1)

    def logged(self) -> Mapping[str, Any]:
        """Return at which steps there is an lr, for JSON: what `as_logged` takes."""
        groups = range(self.lrs.shape[1])
        steps = [_spans(self.steps[~np.isnan(self.lrs[:, group])]) for group in groups]
        return {"steps": steps, "batches_per_epoch": self.batches_per_epoch}

    def as_logged(self, logged: Mapping[str, Any]) -> RecordedCurve:
        """Return the points that a log had, of a curve whose lrs hold up to the next one.

        Args:
            logged: what `logged` returned for the curve of the log.
        """
        lrs = np.full_like(self.lrs, np.nan)
        for group, spans in enumerate(logged["steps"][: lrs.shape[1]]):
            ranges = [np.arange(count) * gap + first for first, gap, count in spans]
            known = np.isin(self.steps, np.concatenate(ranges)) if ranges else np.zeros(len(self), dtype=np.bool_)
            lrs[known, group] = self.lrs[known, group]
        per_epoch = logged["batches_per_epoch"] or self.batches_per_epoch
        return curve_of_points(self.steps, lrs, self.total_steps, is_over=self.is_over, per_epoch=per_epoch)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of the run is missing at its end."""
        if self.total_steps is None:
            return self.is_over
        return self.length == self.total_steps and bool(len(self)) and self._reaches_end

    @property
    def _reaches_end(self) -> bool:
        """Whether the last point is as near to the end as points are to each other."""
        gaps = np.diff(self.steps)
        return self.length - int(self.steps[-1]) <= max(1, int(gaps.max(initial=1)))


def _spans(steps: NDArray[np.int64]) -> Sequence[tuple[int, int, int]]:
    """Return increasing steps as (first step, gap, number of steps); of irregular ones only every so many."""
    while True:
        gaps = np.diff(steps)
        # the last steps of stretches with equal gaps
        ends = [*(np.flatnonzero(np.diff(gaps)) + 1).tolist(), len(gaps)]
        if len(ends) <= MAX_SPANS:
            break
        steps = steps[::2]
    spans, start = [], 0
    for end in ends:
        if end > start:
            spans.append((int(steps[start]), int(gaps[start]), end - start + 1))
            start = end + 1
    return spans + [(int(step), 1, 1) for step in steps[start:]]


def curve_of_points(
    steps: NDArray[np.int64], lrs: Floats, total_steps: int | None, *, is_over: bool, per_epoch: int | None
) -> RecordedCurve:
    """Return the curve of these points.

    Args:
        steps: the steps, increasing.
        lrs: shape (points, parameter groups); points at which every group is NaN are left out.
        total_steps: steps of the whole run; None if unknown.
        is_over: whether the run has ended.
        per_epoch: steps per epoch; None if unknown.
    """
    known = ~np.isnan(lrs).all(axis=1) if lrs.shape[1] else np.zeros(len(steps), dtype=np.bool_)
    return RecordedCurve(steps[known], lrs[known], total_steps or None, per_epoch, is_over)


def curve_of_items(state: RunState, items: Iterable[FeedItem], *, is_over: bool) -> RecordedCurve:
    """Return the curve of a run from the items of its feed, none of which is a summary.

    Args:
        state: the state that the items were folded into.
    """
    steps: list[NDArray[np.int64]] = []
    columns: list[tuple[Floats, ...]] = []
    for item in items:
        if isinstance(item, StepBlock):
            steps.append(item.first_step + np.arange(len(item)))
            columns.append(item.lrs)
        elif isinstance(item, StepDone):
            steps.append(np.array([item.step]))
            columns.append(tuple(np.array([lr]) for lr in item.lrs))
    groups = max(map(len, columns), default=1)
    lrs = np.full((sum(map(len, steps)), groups), np.nan)
    start = 0
    for part, values in zip(steps, columns, strict=True):
        for group, column in enumerate(values):
            lrs[start : start + len(part), group] = column
        start += len(part)
    found = np.concatenate(steps) if steps else np.empty(0, dtype=np.int64)
    # a resumed run goes back: the later values supersede the earlier ones
    keep = np.ones(len(found), dtype=np.bool_)
    if len(found):
        keep[:-1] = found[:-1] < np.minimum.accumulate(found[::-1])[::-1][1:]
    per_epoch = steps_per_epoch(state)
    return curve_of_points(found[keep], lrs[keep], state.total_steps, is_over=is_over, per_epoch=per_epoch)


def steps_per_epoch(state: RunState) -> int | None:
    """Return the steps of an epoch, which the run says or its even epochs show; None if unknown."""
    started = state.started
    if started is None:
        return None
    if started.knows_epochs and (started.batches_per_epoch > 1 or not started.spec.is_attached):
        return started.batches_per_epoch
    ends = [done.step for done in state.epochs]
    # each test of a log may count as the end of an epoch
    if started.spec.is_log or len(ends) < 2 or state.epochs[0].epoch != 1:
        return None
    length = ends[0] - state.first_step
    is_even = length > 0 and all(
        step - state.first_step == length * count for count, step in enumerate(ends[:-1], start=1)
    )
    # the last epoch may be a part of one
    return length if is_even and 0 < ends[-1] - ends[-2] <= length else None
