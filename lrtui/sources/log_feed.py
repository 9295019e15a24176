"""The feed of a log: what has been read of it as steps and tests, then what is read later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.feed import FeedItem, Rewritten, StepBlock, SummaryBlock
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.sources.log_contents import LogContents, contents_of

if TYPE_CHECKING:
    from lrtui.run.events import Event
    from lrtui.sources.log_epochs import LogEpochs
    from lrtui.sources.recorded_log import RecordedLog

STEPS_IN_FULL = 50_000
"""Newest steps that are returned one by one; older ones are summarized."""

MAX_VALUES = 8_000_000
"""Maximum number of values of these steps: fewer steps are returned one by one if there are hundreds of series."""


class LogFeed:
    """The events of the run of one log; used by one thread.

    Args:
        log: as far as it has been read; something else reads it.
        in_full: how many of the newest steps are returned one by one, older ones being summarized; None for all.
    """

    def __init__(self, log: RecordedLog, in_full: int | None = STEPS_IN_FULL) -> None:
        self._log, self._most_in_full = log, in_full
        self._revision = -1
        self._contents: LogContents | None = None
        """The contents that steps are left of; None if all have been taken."""
        self._identity: tuple[object, ...] | None = None
        self._events: tuple[tuple[int, Event], ...] = ()
        self._epochs: LogEpochs | None = None
        self._first = 0
        self._revisions: dict[str, int] = {}
        self._metrics: frozenset[str] = frozenset()
        self._next = 0
        """Position of the next step."""
        self._known_from = 0
        """Position of the first step that was returned by itself."""

    def take(self, limit: int) -> list[FeedItem]:
        """Return what has not been taken yet, oldest first; at most `limit` steps."""
        items: list[FeedItem] = []
        if self._log.revision != self._revision:
            self._revision = self._log.revision
            self._contents = None
            if self._log.used:
                self._contents = contents_of(self._log)
                items += self._brought_up_to_date(self._contents)
            elif self._identity is not None:
                # the log was emptied
                items.append(Rewritten(self._first, 0))
                self._identity, self._events, self._epochs, self._next, self._revisions = (), (), None, 0, {}
        if self._contents is not None:
            end = min(self._contents.axis.count, self._next + max(1, limit))
            items += self._steps(self._contents, end)
            if end == self._contents.axis.count:
                self._contents = None
        return items

    def _brought_up_to_date(self, contents: LogContents) -> list[FeedItem]:
        """Return what takes back the steps that have changed, or everything up to the steps returned one by one."""
        changed = self._changed_from(contents)
        in_full = self._in_full(contents)
        count = contents.axis.count
        if count < self._next:
            # steps without a value before one that is superseded have gone with it
            changed = count if changed is None else min(changed, count)
        is_new = self._identity != contents.identity or self._has_other_metrics(contents)
        if not is_new and changed is not None and changed < self._next:
            # a step follows, which has the run's epoch and time
            back = max(0, min(changed, count - 1))
            is_new = back < self._known_from
            if not is_new:
                self._next = back
                self._remember(contents)
                return [Rewritten(contents.axis.first + back, contents.seq_of_step(back) - 1)]
        if is_new or (self._next < count and count - self._next > max(in_full, BLOCK)):
            return self._start(contents, count, in_full)
        self._remember(contents)
        return []

    def _has_other_metrics(self, contents: LogContents) -> bool:
        """Return whether a series that has been taken is a metric now and was none before, or the reverse."""
        taken = {series.name for series in self._log.used} & self._revisions.keys()
        return taken & contents.metrics.keys() != taken & self._metrics

    def _changed_from(self, contents: LogContents) -> int | None:
        """Return the position of the first step that has changed since the last call; None if none has."""
        steps = []
        for series in self._log.used:
            known = self._revisions.get(series.name)
            step = int(series.steps[0]) if known is None else series.changed_from(known)
            if step is not None:
                steps.append(step)
        for name in self._revisions.keys() - {series.name for series in self._log.used}:
            step = self._log.series[name].changed_from(self._revisions[name]) if name in self._log.series else None
            steps += [] if step is None else [step]
        places = [max(0, contents.axis.index(min(steps)))] if steps else []
        if self._epochs is not None:
            epochs, events = self._epochs, self._events
            places += [place for place in (contents.first_difference(events, epochs),) if place is not None]
        return min(places, default=None)

    def _remember(self, contents: LogContents) -> None:
        self._identity, self._events, self._epochs = contents.identity, contents.events, contents.epochs
        self._first, self._metrics = contents.axis.first, frozenset(contents.metrics)
        self._revisions = {series.name: series.revision for series in self._log.used}

    def _in_full(self, contents: LogContents) -> int:
        if self._most_in_full is None:
            return contents.axis.count
        return max(BLOCK, min(self._most_in_full, MAX_VALUES // (len(contents.metrics) + len(contents.lrs) + 2)))

    def _start(self, contents: LogContents, count: int, in_full: int) -> list[FeedItem]:
        """Return everything up to the steps that are returned one by one."""
        items: list[FeedItem] = [] if self._identity is None else [Rewritten(self._first, -1)]
        items.append(contents.started)
        blocks = max(0, count - max(1, in_full)) // BLOCK
        self._known_from = self._next = blocks * BLOCK
        items += [event for _, event in contents.events[: contents.events_before(self._next)]]
        if blocks:
            last = np.array([self._next - 1])
            summarized = {name: values.blocks(blocks) for name, values in contents.metrics.items()}
            items.append(
                SummaryBlock(
                    steps=self._next,
                    seq=contents.seq_of_step(self._next - 1),
                    epoch=int(contents.epochs.epochs(last)[0]),
                    batch=int(contents.epochs.batches(last)[0]),
                    elapsed=float(contents.seconds.at(last)[0]),
                    loss=contents.loss.blocks(blocks),
                    seconds=contents.seconds.blocks(blocks),
                    lrs=tuple(lrs.blocks(blocks) for lrs in contents.lrs),
                    metrics={name: each for name, each in summarized.items() if each.count.any()},
                )
            )
        self._remember(contents)
        return items

    def _steps(self, contents: LogContents, end: int) -> list[FeedItem]:
        """Return the steps up to this position, and the events among them."""
        items: list[FeedItem] = []
        if self._next >= end:
            return items
        start, self._next = self._next, end
        whole = _block(contents, start, end)
        first, last = contents.events_before(start), contents.events_before(end)
        begin = start
        for place, event in contents.events[first:last]:
            if place + 1 > begin:
                items.append(whole.part(begin - start, place + 1 - start))
                begin = place + 1
            items.append(event)
        if begin < end:
            items.append(whole.part(begin - start, end - start))
        return items


def _block(contents: LogContents, start: int, end: int) -> StepBlock:
    """Return steps as a block, although there may be events between them; the events before the block are counted."""
    places = np.arange(start, end)
    first, last = contents.events_before(start), contents.events_before(end)
    after = np.array([place for place, _ in contents.events[first:last]], dtype=np.int64)
    return StepBlock(
        first_step=contents.axis.first + start,
        seqs=1 + places + first + np.searchsorted(after, places),
        epochs=contents.epochs.epochs(places),
        batches=contents.epochs.batches(places),
        seconds=contents.seconds.dense(start, end),
        loss=contents.loss.dense(start, end),
        lrs=tuple(lrs.dense(start, end) for lrs in contents.lrs),
        metrics={name: values.dense(start, end) for name, values in contents.metrics.items()},
    )
