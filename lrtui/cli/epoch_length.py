"""How long an epoch is for commands that train nothing: the task's, or as the words say."""

from __future__ import annotations

import argparse

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.tasks.sizes import expected_batches_per_epoch

OPTIONS = ("task", "optimizer", "epochs", "batch_size", "accumulate", "train_samples")
"""The run options that a schedule without a run depends on."""

MOST_BATCHES = 10_000_000
"""Of an epoch, and of a run that is listed batch by batch."""


def add_length_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that stands in place of a task's length."""
    parser.add_argument("--batches-per-epoch", metavar="N", help="length of an epoch, in place of a task's")


def read_batches_per_epoch(option: str | None, spec: RunSpec) -> int:
    """Return the optimizer steps of an epoch.

    Args:
        option: the words of `--batches-per-epoch`.
        spec: names the task where there are none.

    Raises:
        UsageError: for words that are no such number, or a task whose length nobody knows before it runs.
    """
    if option is not None:
        try:
            batches = int(option)
        except ValueError:
            batches = 0
        if not 1 <= batches <= MOST_BATCHES:
            raise UsageError(
                f"--batches-per-epoch takes a whole number from 1 to {MOST_BATCHES:,}, not {option[:40]!r}"
            )
        return batches
    expected = expected_batches_per_epoch(spec)
    if expected is None:
        raise UsageError(f"how long an epoch of {spec.task} is shows only in a run; give --batches-per-epoch N")
    return expected
