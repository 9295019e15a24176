"""The same runs from other weights: no false alarm there either, so that the rules do not fit the recordings alone."""

from __future__ import annotations

import pytest
from judging import judge
from kinds import KINDS, Kind
from record_runs import train_kind
from test_known_runs import MISSED


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_false_alarm_from_other_weights(kind: Kind, seed: int) -> None:
    verdict = judge(kind, train_kind(kind, seed))
    assert not verdict.false, verdict.words
    if kind.name not in MISSED:
        assert not verdict.missed, verdict.words
