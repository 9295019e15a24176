from __future__ import annotations

import pytest

from lrtui.run.spec import RunSpec
from lrtui.tasks.sizes import expected_batches_per_epoch


@pytest.mark.parametrize(
    ("settings", "batches"),
    [
        ({}, 938),
        ({"batch_size": 60_000}, 1),
        ({"train_samples": 65}, 2),
        ({"train_samples": 64}, 1),
        ({"train_samples": 90_000}, 938),
        ({"task": "mine.py:Mine", "train_samples": 100, "batch_size": 30}, 4),
        ({"task": "mine.py:Mine"}, None),
    ],
)
def test_an_epochs_batches_are_known_before_the_data_is(settings: dict[str, object], batches: int | None) -> None:
    assert expected_batches_per_epoch(RunSpec(**settings)) == batches  # type: ignore[arg-type]
