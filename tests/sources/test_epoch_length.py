"""The length of an epoch, from logged epochs."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.sources.epoch_length import epoch_length

STEPS = np.arange(4000)


@pytest.mark.parametrize("length", [1, 7, 938])
@pytest.mark.parametrize("first", [0, 1])
def test_whole_epochs_at_every_step_have_their_length(length: int, first: int) -> None:
    assert epoch_length(STEPS + first, (STEPS // length).astype(float)) == length
    # Keras and others count epochs from 1
    assert epoch_length(STEPS + first, 1.0 + STEPS // length) == length


def test_sparse_whole_epochs_have_a_length_only_if_no_other_agrees() -> None:
    sparse = STEPS[49::50]
    assert epoch_length(sparse, (sparse // 938).astype(float)) is None
    assert epoch_length(sparse, (sparse // 200).astype(float)) is None
    # over 444 epochs only one does
    assert epoch_length(STEPS[::10], (STEPS[::10] // 9).astype(float)) == 9


def test_fractions_have_a_length_if_they_are_exact_or_the_run_is_long() -> None:
    sparse = STEPS[50::50]
    assert epoch_length(sparse, sparse / 938) == 938
    assert epoch_length(sparse, np.round(sparse / 938, 2)) is None
    assert epoch_length(sparse, np.round(sparse / 37, 2)) == 37


def test_epochs_that_do_not_fit_have_no_length() -> None:
    uneven = np.where(STEPS < 100, 0.0, np.where(STEPS < 350, 1.0, 2.0))
    assert epoch_length(STEPS, uneven) is None
    assert epoch_length(STEPS, np.zeros(4000)) is None
    assert epoch_length(STEPS, np.full(4000, np.nan)) is None
    assert epoch_length(STEPS, np.where(STEPS < 100, 1.0, 0.0)) is None
    assert epoch_length(STEPS[:1], np.zeros(1)) is None
