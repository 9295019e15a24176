"""Event files for tests: what TensorBoard reads in them, and what lrtui reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from lrtui.sources.log import LogPart, Points, Restart
from lrtui.sources.tensorboard.log_format import TensorBoardReader

Series = dict[str, list[tuple[int, float, float]]]
"""Steps, values and wall times by name."""


def series_in(items: Iterable[Points | Restart]) -> Series:
    """Return all values of a log by name, as if nothing were superseded."""
    series: Series = {}
    for item in items:
        if isinstance(item, Points):
            rows = zip(item.steps.tolist(), item.values.tolist(), item.times.tolist(), strict=True)
            series.setdefault(item.name, []).extend(rows)
    return series


def restarts_in(items: Iterable[Points | Restart]) -> list[int]:
    """Return the steps at which a log starts again."""
    return [item.step for item in items if isinstance(item, Restart)]


def read_all(folder: Path) -> tuple[LogPart, str]:
    """Return all that is in the event files of a folder, and what can't be read."""
    reader = TensorBoardReader(folder)
    part = reader.read(60)
    assert not part.has_more
    return part, reader.trouble


def same(read: Series, expected: Series) -> bool:
    """Return whether two logs have the same values to the last bit, NaN included."""
    return _bits(read) == _bits(expected)


def _bits(series: Series) -> dict[str, list[tuple[int, bytes, bytes]]]:
    return {
        name: [(step, np.float64(value).tobytes(), np.float64(time).tobytes()) for step, value, time in rows]
        for name, rows in series.items()
    }


def tensorboard_reads(folder: Path, *, purged: bool = False) -> Series:
    """Return the scalars that TensorBoard's own reader finds in the event files of a folder.

    Args:
        folder: the folder.
        purged: without those that a restart has superseded.
    """
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, TENSORS, EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    reader = EventAccumulator(str(folder), size_guidance={SCALARS: 0, TENSORS: 0}, purge_orphaned_data=purged)
    reader.Reload()
    series: Series = {}
    for tag in reader.Tags()["scalars"]:
        series[tag] = [(event.step, event.value, event.wall_time) for event in reader.Scalars(tag)]
    for tag in reader.Tags()["tensors"]:
        plugin = reader.SummaryMetadata(tag).plugin_data.plugin_name
        events = reader.Tensors(tag)
        if plugin == "scalars":
            rows = [(event.step, float(make_ndarray(event.tensor_proto).item()), event.wall_time) for event in events]
            series[tag] = rows
    return series


def write_events(path: Path, events: Sequence[tuple[str, int, float]], start: float = 1.7e9) -> Path:
    """Write scalars as (tag, step, value) with TensorBoard's own writer, one each 0.01 seconds; return the path."""
    return write_records(path, [event_bytes(*event, start + 0.01 * at) for at, event in enumerate(events)])


def event_bytes(tag: str, step: int, value: float, time: float) -> bytes:
    """Return an event with one scalar."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    data: bytes = Event(wall_time=time, step=step, summary=summary).SerializeToString()
    return data


def write_records(path: Path, records: Iterable[bytes], mode: str = "wb") -> Path:
    """Write records with TensorBoard's own writer; return the path."""
    from tensorboard.summary.writer.record_writer import RecordWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open(mode) as file:
        writer = RecordWriter(file)
        for record in records:
            writer.write(record)
    return path
