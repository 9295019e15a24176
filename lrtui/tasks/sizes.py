"""How long an epoch will be, before any data is loaded."""

from __future__ import annotations

from lrtui.plugins import is_plugin, load_plugin
from lrtui.run.spec import RunSpec
from lrtui.tasks.find import GROUP


def expected_batches_per_epoch(spec: RunSpec) -> int | None:
    """Return the optimizer steps of an epoch, or None for a user's own task, which is not run to find out."""
    if not is_plugin(GROUP, spec.task):
        return None if spec.train_samples is None else -(-spec.train_samples // spec.batch_size)
    samples = int(load_plugin(GROUP, spec.task).training_samples)
    return -(-min(samples, spec.train_samples or samples) // spec.batch_size)
