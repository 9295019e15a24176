"""Measures how fast the store records steps and opens a run, beside TensorBoard's EventAccumulator on the same points.

    python benchmarks/store.py [--steps 10000000] [--tensorboard-steps 200000] [--keep DIR]

Recording: events are handed to the writer as a training thread does, until the last one is on disk; events per second.
Opening: a separate process opens the run and draws its whole loss and lr curves as two charts of 72x17; seconds after
all imports, and peak memory. EventAccumulator reads loss and lr of fewer steps, without sampling (size_guidance 0);
both are also given per million points.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMITS = {"events a second": 50_000, "seconds to open and draw": 0.3, "MB": 100}


def ingest(folder: Path, steps: int) -> float:
    """Record a run; return events per second."""
    from lrtui.run.events import RunStarted, StepDone
    from lrtui.run.spec import RunSpec
    from lrtui.store import run_rows
    from lrtui.store.recorder import Recorder
    from lrtui.store.rows import RowMaker
    from lrtui.store.step_rows import BlockSummaries
    from lrtui.store.writer import Writer

    spec = RunSpec(epochs=steps // 1000 or 1)
    writer = Writer(folder, lambda text: print(text, file=sys.stderr))
    run = writer.call(lambda connection: run_rows.insert(connection, spec, {}))
    recorder = Recorder(run, writer, RowMaker(run, BlockSummaries()), lambda _: None)
    writer.add(recorder)
    start_time = time.perf_counter()
    start = {"device": "cpu", "torch_threads": 2, "data": {}, "parameter_count": 1, "batches_per_epoch": 1000}
    groups = {"group_names": ("default",), "group_lrs": (0.01,)}
    recorder.publish(RunStarted(seq=0, step=0, seconds=0.0, spec=spec, total_steps=steps, **start, **groups))  # type: ignore[arg-type]
    for step in range(steps):
        loss = 2.0 / (1 + step / 1000) + (step * 7919 % 101) / 1000
        recorder.publish(
            StepDone(
                seq=step + 1,
                step=step,
                seconds=step * 1e-3,
                epoch=step // 1000 + 1,
                batch=step % 1000,
                loss=loss,
                lrs=(0.01 * 0.999 ** (step // 1000),),
            )
        )
        if step % 50_000 == 49_999:
            # faster than any training, so wait for the writer to bound the memory
            assert recorder.commit(60)
    assert recorder.commit(60)
    taken = time.perf_counter() - start_time
    assert writer.close()
    return (steps + 1) / taken


def open_and_draw(folder: Path) -> dict[str, float]:
    """Open the run and draw it; return seconds and megabytes."""
    import lrtui.store.reader
    from lrtui.plotting.chart import Chart
    from lrtui.plotting.layers import Curve
    from lrtui.run.state import RunState
    from lrtui.store.connection import open_for_reading
    from lrtui.store.store_feed import StoreFeed

    assert lrtui.store.reader
    start_time = time.perf_counter()
    state = RunState()
    state.fold(StoreFeed(open_for_reading(folder), 1).take())
    opened = time.perf_counter() - start_time
    per_epoch = 1000
    for series in (state.loss, state.lrs[0]):
        layers = [
            Curve(series, 0.0, per_epoch, "chart--band-1", "band"),
            Curve(series, 0.0, per_epoch, "chart--line-1"),
        ]
        rows = Chart(layers, 0.0, len(series) / per_epoch).draw(72, 17)
        assert len(rows) == 17
    seconds = time.perf_counter() - start_time
    return {
        "steps": len(state.loss),
        "opened": opened,
        "seconds": seconds,
        "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def tensorboard(folder: Path, steps: int) -> float:
    """Write loss and lr with TensorBoard's writer; return the seconds that reading them back takes."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder), max_queue_size=1000)
    for step in range(steps):
        for tag, value in (("loss", 2.0 / (1 + step / 1000)), ("lr", 0.01)):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.add_event(Event(step=step, wall_time=step, summary=summary))
    writer.close()
    start_time = time.perf_counter()
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    assert len(accumulator.Scalars("loss")) == len(accumulator.Scalars("lr")) == steps
    return time.perf_counter() - start_time


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--tensorboard-steps", type=int, default=200_000)
    parser.add_argument("--keep", type=Path, help="folder for the store, reused if it exists")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        print(json.dumps(open_and_draw(options.open)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "store"
        if not folder.exists():
            speed = ingest(folder, options.steps)
            limit = f"limit {LIMITS['events a second']:,}"
            print(f"recording {options.steps:,} steps: {speed:,.0f} events per second ({limit})")
        size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
        print(f"store: {size / 1e6:,.0f} MB")
        runs = []
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, __file__, "--open", str(folder)], capture_output=True, text=True, check=True
            )
            runs.append(json.loads(done.stdout))
        found = sorted(runs, key=lambda each: each["seconds"])[2]
        print(
            f"open and draw a run of {found['steps']:,} steps: {found['seconds']:.3f} s, of which opening "
            f"{found['opened']:.3f} s (medians of 5, limit {LIMITS['seconds to open and draw']}), "
            f"{found['MB']:.0f} MB at most in the whole process (limit {LIMITS['MB']})"
        )
        seconds = tensorboard(Path(scratch) / "tensorboard", options.tensorboard_steps)
        per_million = seconds / options.tensorboard_steps * 1e6
        mine = found["seconds"] / found["steps"] * 1e6
        print(
            f"EventAccumulator, {options.tensorboard_steps:,} steps: {seconds:.2f} s; a million steps "
            f"{per_million:.2f} s against {mine:.4f} s here, {per_million / mine:,.0f} times as long"
        )


if __name__ == "__main__":
    main()
