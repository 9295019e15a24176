"""Single steps as blocks of columns."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lrtui.run.events import StepDone
from lrtui.run.feed import FeedItem, StepBlock


def block_of(steps: Sequence[StepDone]) -> StepBlock:
    """Return consecutive steps as a block; a parameter group may be added at any of them."""
    names = dict.fromkeys(name for step in steps for name in step.metrics)
    groups = len(steps[-1].lrs)
    starts = [next(i for i, step in enumerate(steps) if len(step.lrs) > group) for group in range(groups)]
    return StepBlock(
        first_step=steps[0].step,
        seqs=np.array([step.seq for step in steps], dtype=np.int64),
        epochs=np.array([step.epoch for step in steps], dtype=np.int64),
        batches=np.array([step.batch for step in steps], dtype=np.int64),
        seconds=np.array([step.seconds for step in steps], dtype=np.float64),
        loss=np.array([step.loss for step in steps], dtype=np.float64),
        lrs=tuple(
            np.array([math.nan] * start + [step.lrs[group] for step in steps[start:]], dtype=np.float64)
            for group, start in enumerate(starts)
        ),
        metrics={
            name: np.array([step.metrics.get(name, math.nan) for step in steps], dtype=np.float64) for name in names
        },
        added={group: start for group, start in enumerate(starts) if start},
    )


def in_blocks(items: Iterable[FeedItem], most: int) -> Iterator[FeedItem]:
    """Yield the items, consecutive single steps as blocks of at most `most` steps."""
    steps: list[StepDone] = []
    for item in items:
        if not isinstance(item, StepDone):
            if steps:
                yield block_of(steps)
                steps = []
            yield item
            continue
        if steps and not (
            len(steps) < most and item.step == steps[-1].step + 1 and len(item.lrs) == len(steps[-1].lrs)
        ):
            yield block_of(steps)
            steps = []
        steps.append(item)
    if steps:
        yield block_of(steps)
