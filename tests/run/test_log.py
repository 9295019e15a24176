"""The lines of a run's log."""

from __future__ import annotations

from lrtui.run.events import LrSet, StepDone
from lrtui.run.log import change_line, step_line

PRODUCT = 2.0000000000000007e-08 * (0.05 / 2.0000000000000007e-08)
"""What a lr of 2.0000000000000007e-08 becomes when it is scaled to 0.05."""


def test_a_change_of_the_lr_is_logged_without_the_rounding_error_of_the_scale() -> None:
    assert PRODUCT == 0.049999999999999996
    event = LrSet(
        seq=1, step=1, seconds=0.0, lrs_before=(2.0000000000000007e-08,), lrs_after=(PRODUCT,), scale=(1.0,), by="user"
    )
    assert change_line(event) == "lr 2e-08 -> 0.05 (user)"


def test_the_line_of_a_step_has_the_lr_at_full_precision() -> None:
    event = StepDone(seq=1, step=0, seconds=0.0, epoch=1, batch=0, loss=0.5, lrs=(PRODUCT,))
    assert step_line(event).endswith("Learning Rate: 0.049999999999999996")
