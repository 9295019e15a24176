"""Feeds: the events of a run in order. A source that stores steps in arrays returns them in blocks."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Protocol

from lrtui.run.events import NO_METRICS, Event, StepDone

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Blocks, Floats


@dataclass(frozen=True, slots=True)
class StepBlock:
    """Consecutive steps without other events between them, one StepDone each, in arrays of equal length.

    Args:
        first_step: optimizer steps done before the first one.
        seqs: `seq` of each event.
        lrs: one array per parameter group; NaN at steps before the group was added.
        metrics: one array per metric, by name; NaN at steps without a value.
        added: index of the first step of each parameter group that was added at one of these steps.
    """

    first_step: int
    seqs: NDArray[np.int64]
    epochs: NDArray[np.int64]
    batches: NDArray[np.int64]
    seconds: Floats
    loss: Floats
    lrs: tuple[Floats, ...]
    metrics: Mapping[str, Floats] = field(default_factory=dict)
    added: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seqs)

    def step(self, index: int) -> StepDone:
        """Return one of the steps as its event."""
        return StepDone(
            seq=int(self.seqs[index]),
            step=self.first_step + index,
            seconds=float(self.seconds[index]),
            epoch=int(self.epochs[index]),
            batch=int(self.batches[index]),
            loss=float(self.loss[index]),
            lrs=tuple(float(lrs[index]) for group, lrs in enumerate(self.lrs) if index >= self.added.get(group, 0)),
            metrics=self._metrics(index) if self.metrics else NO_METRICS,
        )

    def steps(self) -> Iterator[StepDone]:
        """Yield the steps as their events."""
        columns = (self.seqs, self.epochs, self.batches, self.seconds, self.loss)
        lrs = [tuple(values) for values in zip(*(lrs.tolist() for lrs in self.lrs), strict=True)]
        rows = zip(count(self.first_step), *(column.tolist() for column in columns), lrs, strict=False)
        for index, (step, seq, epoch, batch, seconds, loss, values) in enumerate(rows):
            if self.added:
                values = tuple(lr for group, lr in enumerate(values) if index >= self.added.get(group, 0))
            metrics = self._metrics(index) if self.metrics else NO_METRICS
            yield StepDone(
                seq=seq, step=step, seconds=seconds, epoch=epoch, batch=batch, loss=loss, lrs=values, metrics=metrics
            )

    def part(self, start: int, end: int) -> StepBlock:
        """Return the steps from one index to another as a block; its arrays are views."""
        if start == 0 and end == len(self):
            return self
        cut = slice(start, end)
        return StepBlock(
            first_step=self.first_step + start,
            seqs=self.seqs[cut],
            epochs=self.epochs[cut],
            batches=self.batches[cut],
            seconds=self.seconds[cut],
            loss=self.loss[cut],
            lrs=tuple(lrs[cut] for lrs in self.lrs),
            metrics={name: values[cut] for name, values in self.metrics.items()},
            added={group: index - start for group, index in self.added.items() if index > start},
        )

    def _metrics(self, index: int) -> dict[str, float]:
        values = {name: float(column[index]) for name, column in self.metrics.items()}
        return {name: value for name, value in values.items() if not math.isnan(value)}


@dataclass(frozen=True, slots=True)
class SummaryBlock:
    """The first steps of a long run, summarized in blocks of `minmax_pyramid.BLOCK` steps.

    Args:
        steps: number of steps, a multiple of BLOCK.
        seq: `seq` of the last step; `epoch`, `batch` and `elapsed` are of this step as well.
        lrs: one per parameter group.
        metrics: one per metric, by name.
    """

    steps: int
    seq: int
    epoch: int
    batch: int
    elapsed: float
    loss: Blocks
    seconds: Blocks
    lrs: tuple[Blocks, ...]
    metrics: Mapping[str, Blocks] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputLines:
    """Output of the command that a run is part of.

    Args:
        lines: new lines.
        open_rows: all lines that are not finished, such as a progress bar.
    """

    lines: tuple[str, ...]
    open_rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was taken is no longer valid from a step on, since a log was rewritten; what replaces it follows.

    Args:
        step: the first step that is dropped. At least one step follows, unless it is the run's first one.
        seq: all events after the one with this `seq` are dropped; -1 for all, then a new RunStarted follows.
    """

    step: int
    seq: int


FeedItem = Event | StepBlock | SummaryBlock | OutputLines | Rewritten
"""An item of a feed: an event, a block of steps, output, or that earlier items are dropped."""


class Feed(Protocol):
    """The events of one run, in order: live, stored, or from a list."""

    def take(self, limit: int) -> Sequence[FeedItem]:
        """Return at most `limit` events and blocks that have not been taken yet, oldest first.

        Returns immediately if there are none: reading a file is allowed, waiting for new events is not.
        """
        ...


class ListFeed:
    """A feed of known items.

    Args:
        items: oldest first.
    """

    def __init__(self, items: Iterable[FeedItem]) -> None:
        self._items = deque(items)

    def take(self, limit: int) -> list[FeedItem]:
        """Return at most `limit` items that have not been taken yet, oldest first."""
        return [self._items.popleft() for _ in range(min(limit, len(self._items)))]


class LiveFeed:
    """The queue between the training thread and the thread that draws or prints.

    Publishing neither blocks nor raises. One thread publishes, one takes. A deque that is polled costs the training
    thread 0.2 µs per event; a message to the other thread would cost a hundred times as much.
    """

    def __init__(self) -> None:
        self._events: deque[Event | StepBlock] = deque()
        self.listener: Callable[[Event | StepBlock], None] | None = None
        """Takes everything that is published as well; must neither block nor raise."""

    def publish(self, event: Event | StepBlock) -> None:
        """Append an event, or a block of steps."""
        self._events.append(event)
        if self.listener is not None:
            self.listener(event)

    def take(self, limit: int) -> list[Event]:
        """Return at most `limit` events that have not been taken yet, oldest first, steps one by one; never blocks."""
        events: list[Event] = []
        # what is published meanwhile is left for the next call
        for _ in range(min(limit, len(self._events))):
            item = self._events.popleft()
            if not isinstance(item, StepBlock):
                events.append(item)
            elif len(item) > (room := limit - len(events)):
                events += item.part(0, room).steps()
                self._events.appendleft(item.part(room, len(item)))
            else:
                events += item.steps()
            if len(events) >= limit:
                break
        return events

    def take_items(self) -> list[Event | StepBlock]:
        """Return everything that has not been taken yet, oldest first, blocks of steps as they are; never blocks."""
        return [self._events.popleft() for _ in range(len(self._events))]

    @property
    def first_seq(self) -> int | None:
        """`seq` of the oldest event that has not been taken yet; None if there is none."""
        try:
            item = self._events[0]
        except IndexError:
            return None
        return int(item.seqs[0]) if isinstance(item, StepBlock) else item.seq

    def __len__(self) -> int:
        return len(self._events)
