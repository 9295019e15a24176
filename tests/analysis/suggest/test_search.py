"""The search for a schedule, with a given range test result and with a real range test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from training_runs import tiny_spec

from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.suggest.range_test import RangeTestResult, find_lr, result_of
from lrtui.analysis.suggest.search import Search, SearchStoppedError
from lrtui.analysis.suggest.suggestion import Suggestion, reason_lines, suggestion_record
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.lr_rules import Suggestions
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import Sweep
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say

NOISY = f"{Path(__file__).parents[1] / 'race' / 'race_tasks.py'}:Noisy"

RANGE_TEST = RangeTestResult(
    0.0213, Suggestions({"steepest": 0.02, "valley": 0.0213, "minimum/10": 0.03, "slide": None}), 3, 6
)

SPEC = tiny_spec(schedule="ExponentialLR(gamma=0.1)", epochs=10, task=NOISY)


def fixed_range_test(spec: RunSpec, budget: float, say: Say, stopped: Callable[[], bool]) -> RangeTestResult:
    return RANGE_TEST


def run_search(
    folder: Path, budget: float, spec: RunSpec = SPEC, range_test: RangeTestResult = RANGE_TEST
) -> Suggestion:
    return Search(spec, budget, PlanFiles(folder), lambda *_: range_test, lambda _: None).run()


def test_the_winner_is_trained_in_full_within_the_budget(tmp_path: Path) -> None:
    found = run_search(tmp_path, 2)
    assert [len(standing.placings) for standing in found.rounds] == [5, 2]
    assert [standing.plan.common.epochs for standing in found.rounds] == [1, 2]
    # in the first race the differences are to the user's schedule
    assert found.rounds[0].plan.entrants[found.rounds[0].reference or 0].label == "your own ExponentialLR(gamma=0.1)"
    assert found.full_run is not None
    assert found.full_run.is_done
    assert max(found.full_run.tests) == 10
    # 3 steps of the range test, 5 runs of one epoch, 2 of two epochs, and a full run; an epoch has 6 steps
    assert found.spent == pytest.approx((3 + 5 * 6 + 2 * 12 + 60) / 60)
    assert found.spent <= 2
    # the winner of the last race, not the schedule whose lr is spent after a tenth of its run
    last = found.rounds[-1].placings[0]
    assert last.label == found.winner.label
    assert "ExponentialLR" not in found.line
    assert found.confidence == "fair"
    lines = "\n".join(reason_lines(found))
    test = found.full_run.last_test
    assert test is not None
    assert f"accuracy {test.accuracy:.4f}" in lines
    assert "1 seed" in lines


def test_the_suggested_schedule_and_optimizer_are_valid_settings_of_a_run(tmp_path: Path) -> None:
    found = run_search(tmp_path, 0.5)
    assert found.full_run is None
    assert found.confidence == "poor"
    assert "no full run" in "\n".join(reason_lines(found))
    record = suggestion_record(found)
    assert record["command"] == found.command
    replace(SPEC, schedule=record["schedule"], optimizer=record["optimizer"])
    assert record["in_full"] is None
    assert record["spent"] <= 0.5


def test_a_budget_too_small_for_a_race_gives_the_lr_of_the_range_test(tmp_path: Path) -> None:
    found = run_search(tmp_path, 0.1)
    assert found.rounds == ()
    assert found.line == "OneCycleLR(max_lr=0.021)"
    assert "no race" in "\n".join(reason_lines(found))
    assert found.confidence == "poor"


def test_a_larger_budget_pays_for_more_seeds(tmp_path: Path) -> None:
    found = run_search(tmp_path, 5)
    assert [standing.plan.seeds for standing in found.rounds] == [(0,), (0, 1)]
    assert "over 2 seeds" in "\n".join(reason_lines(found))
    assert found.spent <= 5


def test_a_schedule_that_follows_a_metric_does_not_race(tmp_path: Path) -> None:
    found = run_search(tmp_path, 0.5, replace(SPEC, schedule="ReduceLROnPlateau(patience=1)"))
    assert all("your own" not in placing.label for placing in found.rounds[0].placings)
    assert "did not race against your schedule" in found.confidence_reason


def test_a_doubtful_range_test_is_reported(tmp_path: Path) -> None:
    doubtful = replace(
        RANGE_TEST,
        lr=0.01,
        suggestions=replace(RANGE_TEST.suggestions, doubt="the loss falls by no more than its noise"),
    )
    found = run_search(tmp_path, 0.1, range_test=doubtful)
    assert found.line == "OneCycleLR(max_lr=0.01)"
    assert "no more than its noise" in next(iter(reason_lines(found)))
    assert not doubtful.rules_agree


def test_a_search_can_be_stopped(tmp_path: Path) -> None:
    def say(line: str) -> None:
        if "epoch" in line and "accuracy" in line:
            search.stop()

    search = Search(SPEC, 2, PlanFiles(tmp_path), fixed_range_test, say)
    with pytest.raises(SearchStoppedError, match="its races are stored"):
        search.run()
    assert PlanFiles(tmp_path).numbers() == [1]


def test_a_search_stopped_during_its_range_test_says_so_and_stores_no_race(tmp_path: Path) -> None:
    def stopped_early(spec: RunSpec, budget: float, say: Say, stopped: Callable[[], bool]) -> RangeTestResult:
        search.stop()
        assert stopped()
        raise LrtuiError("the range test found no lr: the curve is too short to suggest an lr")

    search = Search(SPEC, 2, PlanFiles(tmp_path), stopped_early, lambda _: None)
    with pytest.raises(SearchStoppedError, match=r"^the search was stopped\. lrtui suggest starts a new one$"):
        search.run()
    assert PlanFiles(tmp_path).numbers() == []


def test_a_search_stopped_while_its_engine_starts_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(*_: object, **__: object) -> Iterator[None]:
        search.stop()
        raise LrtuiError("Ray can't be used: 15")
        yield

    monkeypatch.setattr("lrtui.analysis.suggest.search.engine_launcher", interrupted)
    search = Search(SPEC, 2, PlanFiles(tmp_path), fixed_range_test, lambda _: None)
    with pytest.raises(SearchStoppedError, match=r"the search was stopped\. lrtui suggest starts a new one"):
        search.run()
    assert PlanFiles(tmp_path).numbers() == []


def test_a_search_in_which_all_candidates_diverge_fails(tmp_path: Path) -> None:
    spec = replace(SPEC, optimizer="SGD(lr=1e30)", schedule="ConstantLR(factor=1.0)")
    with pytest.raises(LrtuiError, match="no candidate finished"):
        run_search(tmp_path, 2, spec, RangeTestResult(1e30, Suggestions({"valley": 1e30}), 3, 6))


def test_find_lr_runs_a_range_test_within_its_share_of_the_budget() -> None:
    messages: list[str] = []
    range_test = find_lr(SPEC, 2, messages.append, lambda: False)
    assert range_test.batches_per_epoch == 6
    # a quarter of two runs of 60 steps
    assert 20 <= range_test.steps <= 30
    assert range_test.doubt or 1e-5 < range_test.lr < 10
    assert any("data" in line for line in messages)


def test_a_budget_too_small_for_a_range_test_is_refused() -> None:
    with pytest.raises(UsageError, match=r"use 1\.33 or more"):
        find_lr(SPEC, 1, lambda _: None, lambda: False)
    assert find_lr(SPEC, 1.34, lambda _: None, lambda: False).steps <= 20


def test_a_range_test_can_be_stopped() -> None:
    range_test = find_lr(SPEC, 50, lambda _: None, lambda: True)
    assert range_test.steps < Sweep().steps
    assert range_test.doubt


def test_the_lr_is_the_one_that_a_clear_curve_suggests() -> None:
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


def test_without_a_slope_the_lr_in_use_is_kept_unless_it_is_unstable() -> None:
    sweep = Sweep()
    curve = RangeCurve(sweep)
    noise = np.random.default_rng(1).normal(0, 0.1, sweep.steps)
    for step in range(sweep.steps):
        curve.add(sweep.lr(step), float(0.5 + noise[step] + max(0.0, sweep.lr(step) / 0.05 - 1)))
    assert result_of(curve, 938, own_lr=0.003).lr == 0.003
    assert result_of(curve, 938, own_lr=5.0).lr == curve.suggest().stable
