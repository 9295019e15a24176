"""How long an epoch will be, before any data is loaded."""

from __future__ import annotations

from lrtui.plugins import is_plugin, load_plugin
from lrtui.run.spec import RunSpec
from lrtui.tasks.find import GROUP


def expected_batches_per_epoch(spec: RunSpec) -> int | None:
    """Return the optimizer steps of an epoch, or None for a user's own task, which is not run to find out."""
    samples = None
    if is_plugin(GROUP, spec.task):
        samples = getattr(load_plugin(GROUP, spec.task), "training_samples", None)
    known = [int(count) for count in (samples, spec.train_samples) if count is not None]
    return steps_per_epoch(-(-min(known) // spec.batch_size), spec.accumulate) if known else None


def steps_per_epoch(batches: int, accumulate: int) -> int:
    """Return the optimizer steps of an epoch of so many batches; the last step may have fewer than the others."""
    return -(-batches // accumulate)
