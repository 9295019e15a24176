"""The known runs trained from other weights: the rules do not only fit the recordings."""

from __future__ import annotations

import pytest
from advice_verdict import verdict_on
from known_runs import KNOWN_RUNS, KnownRun
from record_runs import train_known_run
from test_known_runs import MISSED


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("known", KNOWN_RUNS, ids=lambda known: known.name)
def test_the_advice_is_right_with_other_weights(known: KnownRun, seed: int) -> None:
    verdict = verdict_on(known, train_known_run(known, seed))
    assert not verdict.false, verdict.summary
    if known.name not in MISSED:
        assert not verdict.missed, verdict.summary
