"""The search for a schedule, with and without a real range test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from driving import tiny_spec
from racing import NOTING

from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.suggest.range_test import RangeTestResult, find_lr, result_of
from lrtui.analysis.suggest.report import reason_lines, suggestion_record
from lrtui.analysis.suggest.search import Search, SearchStoppedError
from lrtui.analysis.suggest.suggestion import Suggestion
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import Sweep
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say

FINDING = RangeTestResult(0.0213, {"steepest": 0.02, "valley": 0.0213, "minimum/10": 0.03, "slide": None}, 3, 6)

SPEC = tiny_spec(schedule="ExponentialLR(gamma=0.1)", epochs=10, task=f"{NOTING}Noisy")


def find(spec: RunSpec, budget: float, say: Say, stopped: Callable[[], bool]) -> RangeTestResult:
    return FINDING


def searched(folder: Path, budget: float, spec: RunSpec = SPEC, range_test: RangeTestResult = FINDING) -> Suggestion:
    return Search(spec, budget, PlanFiles(folder), lambda *_: range_test, lambda _: None).run()


def test_the_winner_is_seen_to_work_within_the_budget(tmp_path: Path) -> None:
    found = searched(tmp_path, 2)
    assert [len(standing.placings) for standing in found.rounds] == [5, 2]
    assert [standing.plan.common.epochs for standing in found.rounds] == [1, 2]
    # the differences of the first one are to the user's user
    assert found.rounds[0].plan.entrants[found.rounds[0].reference or 0].label == "your own ExponentialLR(gamma=0.1)"
    assert found.full_run is not None
    assert found.full_run.is_done
    assert max(found.full_run.tests) == 10
    # 3 steps of the range test, 5 runs of an epoch, 2 of two, and one in full, of 6 steps an epoch
    assert found.spent == pytest.approx((3 + 5 * 6 + 2 * 12 + 60) / 60)
    assert found.spent <= 2
    # the winner of the last race, and not the schedule that has learnt nothing after a tenth of its run
    last = found.rounds[-1].placings[0]
    assert last.label == found.winner.label
    assert "ExponentialLR" not in found.line
    assert found.confidence == "fair"
    lines = "\n".join(reason_lines(found))
    test = found.full_run.last_test
    assert test is not None
    assert f"accuracy {test.accuracy:.4f}" in lines
    assert "1 seed" in lines


def test_what_is_recommended_can_be_trained_as_it_stands(tmp_path: Path) -> None:
    found = searched(tmp_path, 0.5)
    assert found.full_run is None
    assert found.confidence == "poor"
    assert "no full run" in "\n".join(reason_lines(found))
    record = suggestion_record(found)
    assert record["command"] == found.command
    replace(SPEC, schedule=record["schedule"], optimizer=record["optimizer"])
    assert record["in_full"] is None
    assert record["spent"] <= 0.5


def test_without_room_for_a_race_the_lr_is_all_there_is(tmp_path: Path) -> None:
    found = searched(tmp_path, 0.1)
    assert found.rounds == ()
    assert found.line == "OneCycleLR(max_lr=0.021)"
    assert "no race" in "\n".join(reason_lines(found))
    assert found.confidence == "poor"


def test_with_more_to_spend_there_are_more_seeds(tmp_path: Path) -> None:
    found = searched(tmp_path, 5)
    assert [standing.plan.seeds for standing in found.rounds] == [(0,), (0, 1)]
    assert "over 2 seeds" in "\n".join(reason_lines(found))
    assert found.spent <= 5


def test_a_schedule_that_follows_a_metric_is_left_out(tmp_path: Path) -> None:
    found = searched(tmp_path, 0.5, replace(SPEC, schedule="ReduceLROnPlateau(patience=1)"))
    assert all("your own" not in placing.label for placing in found.rounds[0].placings)
    assert "did not race against your schedule" in found.confidence_reason


def test_where_the_curve_says_nothing_that_is_told(tmp_path: Path) -> None:
    doubtful = replace(FINDING, lr=0.01, doubt="the loss falls by no more than its noise")
    found = searched(tmp_path, 0.1, range_test=doubtful)
    assert found.line == "OneCycleLR(max_lr=0.01)"
    assert "no more than its noise" in next(iter(reason_lines(found)))
    assert not doubtful.rules_agree


def test_a_search_can_be_stopped(tmp_path: Path) -> None:
    def say(line: str) -> None:
        if "epoch" in line and "accuracy" in line:
            search.stop()

    search = Search(SPEC, 2, PlanFiles(tmp_path), find, say)
    with pytest.raises(SearchStoppedError, match="its races are kept"):
        search.run()
    assert PlanFiles(tmp_path).numbers() == [1]


def test_a_field_that_diverges_is_told_of(tmp_path: Path) -> None:
    spec = replace(SPEC, optimizer="SGD(lr=1e30)", schedule="ConstantLR(factor=1.0)")
    with pytest.raises(LrtuiError, match="no candidate finished"):
        searched(tmp_path, 2, spec, RangeTestResult(1e30, {"valley": 1e30}, 3, 6))


def test_the_real_range_test_is_one_call() -> None:
    said: list[str] = []
    range_test = find_lr(SPEC, 2, said.append, lambda: False)
    assert range_test.batches_per_epoch == 6
    # a quarter of two runs of 60 steps
    assert 20 <= range_test.steps <= 30
    assert range_test.doubt or 1e-5 < range_test.lr < 10
    assert any("data" in line for line in said)


def test_a_budget_without_room_for_a_range_test_is_refused() -> None:
    with pytest.raises(UsageError, match=r"use 1\.33 or more"):
        find_lr(SPEC, 1, lambda _: None, lambda: False)
    assert find_lr(SPEC, 1.34, lambda _: None, lambda: False).steps <= 20


def test_a_range_test_ends_where_it_is_told_to() -> None:
    range_test = find_lr(SPEC, 50, lambda _: None, lambda: True)
    assert range_test.steps < Sweep().steps
    assert range_test.doubt


def test_a_clear_curve_is_taken_at_its_word() -> None:
    sweep = Sweep()
    curve = RangeCurve(sweep)
    for step in range(sweep.steps):
        lr = sweep.lr(step)
        curve.add(lr, float(2.3 - 1.5 / (1 + np.exp(-3 * np.log10(lr / 3e-3))) + (lr / 0.5) ** 2))
        if curve.has_diverged:
            break
    range_test = result_of(curve, 938, own_lr=0.01)
    assert 5e-4 < range_test.lr < 0.1
    assert range_test.lr == curve.suggest().suggested
    assert range_test.batches_per_epoch == 938
