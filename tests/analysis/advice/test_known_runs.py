"""Forty recorded runs of known kind: no false alarm, and nearly all that there is to say is said."""

from __future__ import annotations

from collections import Counter

import pytest
from advice_verdict import Verdict, advice_on, judge
from known_runs import KNOWN_RUNS
from recordings import FOLDER, place_of, read_recording

LIMIT = 1_500_000
"""Bytes that the recordings may take."""

MISSED = {"dead-at-once"}
"""Its loss is huge for one step and then that of pure guessing: never beyond three times its best for long."""


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    return {kind.name: judge(kind, read_recording(kind.name)) for kind in KNOWN_RUNS}


def test_there_are_forty_runs_of_every_kind() -> None:
    kinds = Counter(code for kind in KNOWN_RUNS for code in kind.expected or {"healthy"})
    assert len(KNOWN_RUNS) == len({kind.name for kind in KNOWN_RUNS}) == 40
    assert min(kinds.values()) >= 5
    assert len(kinds) == 6
    assert {path.name for path in FOLDER.iterdir()} == {place_of(kind.name).name for kind in KNOWN_RUNS}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LIMIT


def test_no_false_alarm(verdicts: dict[str, Verdict]) -> None:
    assert {name: verdict.words for name, verdict in verdicts.items() if verdict.false} == {}


def test_what_is_missed_is_known(verdicts: dict[str, Verdict]) -> None:
    found = sum(len(verdict.found) for verdict in verdicts.values())
    due = sum(len(kind.expected) for kind in KNOWN_RUNS)
    said = found + sum(len(verdict.false) for verdict in verdicts.values())
    print(f"precision {found / said:.3f}, recall {found / due:.3f}: {found} of {due} said")
    assert {name for name, verdict in verdicts.items() if verdict.missed} == MISSED
    assert found / due >= 0.96


def test_each_thing_is_said_once() -> None:
    for kind in KNOWN_RUNS:
        codes = [said.advice.code for said in advice_on(read_recording(kind.name))]
        assert len(codes) == len(set(codes)), kind.name


@pytest.mark.parametrize(("name", "by_epoch"), [("case-study", 4), ("exponential-mlp", 4), ("polynomial-to-zero", 7)])
def test_an_exhausted_schedule_is_told_soon_after_its_end(name: str, by_epoch: int) -> None:
    (said,) = advice_on(read_recording(name))
    assert said.epochs <= by_epoch


def test_the_case_study_is_told_what_to_do() -> None:
    (said,) = advice_on(read_recording("case-study"))
    assert said.advice.action == "schedule"
    assert said.advice.proposal is not None
    # the geometric mean of its peak, 0.01, and of the lr of its last epoch that went markedly better, 0.001
    assert said.advice.proposal.words == "OneCycleLR(max_lr=0.0032) from base"
    assert "280 of 400 steps" in said.advice.text
