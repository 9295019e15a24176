"""Forty recorded runs with known advice: no false alarm, and nearly all expected advice is given."""

from __future__ import annotations

from collections import Counter

import pytest
from advice_verdict import Verdict, advice_on, verdict_on
from known_runs import KNOWN_RUNS
from recordings import FOLDER, read_recording, recording_path

LIMIT = 1_500_000
"""Bytes that all recordings together may take."""

MISSED = {"dead-at-once"}
"""Its loss is huge for one step and then that of guessing, so it does not stay above three times its best."""


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    return {known.name: verdict_on(known, read_recording(known.name)) for known in KNOWN_RUNS}


def test_there_are_forty_runs_and_at_least_five_per_code() -> None:
    counts = Counter(code for known in KNOWN_RUNS for code in known.expected or {"healthy"})
    assert len(KNOWN_RUNS) == len({known.name for known in KNOWN_RUNS}) == 40
    assert min(counts.values()) >= 5
    assert len(counts) == 6
    assert {path.name for path in FOLDER.iterdir()} == {recording_path(known.name).name for known in KNOWN_RUNS}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LIMIT


def test_no_false_alarm(verdicts: dict[str, Verdict]) -> None:
    assert {name: verdict.summary for name, verdict in verdicts.items() if verdict.false} == {}


def test_only_known_cases_are_missed(verdicts: dict[str, Verdict]) -> None:
    found = sum(len(verdict.found) for verdict in verdicts.values())
    expected = sum(len(known.expected) for known in KNOWN_RUNS)
    given = found + sum(len(verdict.false) for verdict in verdicts.values())
    print(f"precision {found / given:.3f}, recall {found / expected:.3f}: {found} of {expected} found")
    assert {name for name, verdict in verdicts.items() if verdict.missed} == MISSED
    assert found / expected >= 0.96


def test_each_advice_is_given_once() -> None:
    for known in KNOWN_RUNS:
        codes = [given.advice.code for given in advice_on(read_recording(known.name))]
        assert len(codes) == len(set(codes)), known.name


@pytest.mark.parametrize(("name", "by_epoch"), [("case-study", 4), ("exponential-mlp", 4), ("polynomial-to-zero", 7)])
def test_an_exhausted_schedule_is_reported_within_an_epoch(name: str, by_epoch: int) -> None:
    (given,) = advice_on(read_recording(name))
    assert given.epochs <= by_epoch


def test_the_case_study_gets_a_new_schedule() -> None:
    (given,) = advice_on(read_recording("case-study"))
    assert given.advice.action == "schedule"
    assert given.advice.proposal is not None
    # the geometric mean of its peak, 0.01, and the lr of its last useful epoch, 0.001
    assert given.advice.proposal.text == "OneCycleLR(max_lr=0.0032) from base"
    assert "280 of 400 steps" in given.advice.text
