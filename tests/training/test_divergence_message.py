"""The message of a run that diverged."""

from __future__ import annotations

import pytest
import torch

from lrtui.training.train import _describe_divergence


@pytest.mark.parametrize(
    ("lr", "words"),
    [
        (0.1, "the loss is not finite at step 7: the run ends here. Restart with a lower lr."),
        (float("nan"), "nor the lr (nan) is finite at step 7: the run ends here. The cause is the schedule"),
        (float("inf"), "nor the lr (inf) is finite"),
    ],
)
def test_the_message_distinguishes_a_non_finite_lr_from_a_high_one(lr: float, words: str) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    optimizer.param_groups[0]["lr"] = lr
    assert words in _describe_divergence(7, optimizer)
