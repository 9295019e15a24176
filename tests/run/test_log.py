"""The lines of a run's log."""

from __future__ import annotations

from attached_runs import attached_run
from recorded_runs import recorded_run

from lrtui.run.events import LrSet, StepDone
from lrtui.run.log import change_line, step_line
from lrtui.run.state import RunState

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


def test_a_script_that_logs_every_tenth_loss_has_a_line_for_the_first_one_after_each_interval() -> None:
    state = RunState()
    state.fold(attached_run(130))
    lines = [line.text for line in state.log.lines if line.kind == "step"]
    # batches 0 of three epochs are due, and batch 9 is the first one with a loss
    assert [line.split("\t")[0] for line in lines] == [f"Train Epoch: {epoch} batch-9" for epoch in (1, 2, 3)]
    assert not any("nan" in line for line in lines)


def test_a_run_of_lrtui_whose_loss_is_nan_has_a_line_for_it() -> None:
    events = recorded_run(51, outcome="diverged")
    state = RunState()
    state.fold(events)
    assert any("Loss: nan" in line.text for line in state.log.lines)
