"""A stored run as TensorBoard's event files, written by TensorBoard's writer."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lrtui.run.errors import StoreError, UsageError
from lrtui.run.evaluations import shown_loss
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.feed import FeedItem, StepBlock
from lrtui.store.removal import remove_empty

EXTRA = "lrtui[tensorboard]"

Point = tuple[int, float, Mapping[str, float]]
"""A step, the training time in seconds, and values by tag."""


def write_event_files(items: Iterable[FeedItem], folder: Path, created: float) -> int:
    """Write a run into a folder; return how many values were written.

    Args:
        items: events, with every step by itself.
        folder: created if it is missing.
        created: creation time of the run in seconds since 1970; the wall time of a step is this plus the training time.

    Raises:
        UsageError: if TensorBoard is not installed, or the folder is none or has event files already.
        StoreError: if the folder can't be written.
    """
    try:
        # takes 0.3 s to import, and is an optional dependency
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise UsageError(f"TensorBoard is not installed ({error}): pip install '{EXTRA}'") from None
    try:
        if any(folder.glob("events.out.tfevents.*")):
            # TensorBoard reads all files of a folder as one run, and would draw every point twice
            raise UsageError(f"{folder} already has event files: choose another folder, or remove them")
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        path = folder / f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.0"
        count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard's own EventFileWriter loses the errors of its thread, such as a full disk
            with path.open("wb") as file:
                write = RecordWriter(file).write
                write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
                for step, seconds, values in _points(items):
                    scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
                    event = Event(wall_time=created + seconds, step=step, summary=Summary(value=scalars))
                    write(event.SerializeToString())
                    count += len(values)
        except BaseException:
            # a truncated file would look like a shorter run
            with suppress(OSError):
                path.unlink(missing_ok=True)
            remove_empty(missing)
            raise
    except FileExistsError:
        raise UsageError(f"{folder} is not a folder: choose one for the event files") from None
    except OSError as error:
        raise StoreError(f"{folder} can't be written: {error.strerror or error}") from None
    return count


def _points(items: Iterable[FeedItem]) -> Iterator[Point]:
    tags, has_gaps, is_log = ["lr"], False, False
    for part in items:
        if isinstance(part, RunStarted):
            names, has_gaps, is_log = part.group_names, not part.has_every_loss, part.spec.is_log
            tags = ["lr"] if len(names) == 1 else [f"lr/{name}" for name in names]
        elif isinstance(part, StepBlock):
            yield from _steps(part, tags, has_gaps=has_gaps, is_log=is_log)
        elif isinstance(part, EvalDone):
            yield part.step, part.seconds, _results(part)


def _steps(block: StepBlock, tags: list[str], *, has_gaps: bool, is_log: bool) -> Iterator[Point]:
    # a script may have added groups
    tags = [*tags, *(f"lr/group {group}" for group in range(len(tags), len(block.lrs)))]
    values: dict[str, list[float]] = {}
    # values that some steps do not have
    metrics = {f"train/{name}": column.tolist() for name, column in block.metrics.items()}
    metrics |= {tag: column.tolist() for tag, column in zip(tags[1:], block.lrs[1:], strict=True)}
    (metrics if is_log else values)[tags[0]] = block.lrs[0].tolist()
    (metrics if has_gaps else values)["train/loss"] = block.loss.tolist()
    for index, seconds in enumerate(block.seconds.tolist()):
        point = {tag: column[index] for tag, column in metrics.items() if not math.isnan(column[index])}
        point |= {tag: column[index] for tag, column in values.items()}
        if "train/loss" in point:
            point["train/loss"] = shown_loss(point["train/loss"], is_log=is_log)
        yield block.first_step + index, seconds, point


def _results(result: EvalDone) -> dict[str, float]:
    # two curves: the averaged model is tested at the same steps
    kind = "averaged" if result.averaged else "test"
    values: dict[str, Any] = {"loss": result.loss, "accuracy": result.accuracy, **result.metrics}
    return {f"{kind}/{name}": value for name, value in values.items() if value is not None}
