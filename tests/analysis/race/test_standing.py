"""The standing of a race: ranks at equal steps, unranked schedules, warnings, and the report."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import pytest
from race_runs import fake_plan, fake_result, filled

from lrtui.analysis.race.plan import Cell, RacePlan, Ruling
from lrtui.analysis.race.report import standing_lines, standing_markdown, standing_records
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import mean_tests, rank
from lrtui.run.events import LrSet, Mode

A, B, C = "ConstantLR(factor=1.0)", "CosineAnnealingLR()", "OneCycleLR(max_lr=0.003)"


def race_with(ends: dict[int, list[float]], *, stops: bool = True) -> tuple[RacePlan, list[CellResult]]:
    """Return a race of three epochs, with these last accuracies by entrant, one per seed."""
    plan = fake_plan(A, B, C, seeds=max(map(len, ends.values())), epochs=3, stops=stops)
    results = [
        fake_result(plan, entrant, [end - 0.1, end - 0.05, end], seed=seed)
        for entrant, each in ends.items()
        for seed, end in enumerate(each)
    ]
    return plan, filled(plan, results)


ENDS = {0: [0.85, 0.86, 0.84], 1: [0.86, 0.85, 0.85], 2: [0.90, 0.912, 0.895]}


def test_schedules_are_ranked_by_the_mean_at_equal_steps() -> None:
    plan, results = race_with(ENDS)
    found = rank(plan, results)
    assert [placing.entrant for placing in found.placings] == [2, 1, 0]
    assert [placing.rank for placing in found.placings] == [1, 2, 3]
    assert found.placings[0].mean == pytest.approx((0.90 + 0.912 + 0.895) / 3)
    assert (found.epoch, found.step, found.seeds, found.is_whole) == (3, 150, (0, 1, 2), True)
    assert found.unranked == ()


def test_differences_are_to_the_first_schedule() -> None:
    plan, results = race_with(ENDS)
    found = rank(plan, results)
    by_entrant = {placing.entrant: placing for placing in found.placings}
    assert found.reference == 0
    assert by_entrant[0].difference is None
    assert by_entrant[1].difference is not None
    assert by_entrant[1].difference.verdict == "within noise"
    assert by_entrant[2].difference is not None
    assert by_entrant[2].difference.verdict == "better"
    # two differences are shown, and any of three pairs could lead
    assert by_entrant[2].difference.comparisons == 2
    assert found.lead is not None
    assert found.lead.comparisons == 3
    assert found.lead.mean == pytest.approx(by_entrant[2].mean - by_entrant[1].mean)


def test_a_stopped_schedule_is_not_ranked() -> None:
    plan, results = race_with({0: ENDS[0], 2: ENDS[2]})
    plan.rulings[1] = Ruling(0, 2, 100, "its lr is spent")
    results = filled(plan, [*results, fake_result(plan, 1, [0.99, 0.99], outcome="stopped")])
    found = rank(plan, results)
    assert [placing.entrant for placing in found.placings] == [2, 0]
    (unranked,) = found.unranked
    assert (unranked.entrant, unranked.why, unranked.step) == (1, "stopped", 100)
    # its runs affect nothing about the others, not even the number of comparisons
    assert found.lead is not None
    assert found.lead.comparisons == 1
    assert found.is_whole
    text = "\n".join(standing_lines(found))
    assert f"not ranked: {B}, stopped at step 100" in text
    assert "its lr is spent" in text
    assert "0.99" not in text


def test_differences_are_to_the_leader_if_the_first_schedule_is_unranked() -> None:
    plan, results = race_with({1: ENDS[1], 2: ENDS[2]})
    results = filled(plan, [*results, fake_result(plan, 0, [0.5], outcome="diverged")])
    found = rank(plan, results)
    assert found.reference == 2
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(0, "diverged")]
    assert found.placings[1].difference is not None
    assert found.placings[1].difference.verdict == "worse"


def test_a_schedule_that_diverged_with_one_seed_is_not_ranked() -> None:
    plan, results = race_with(ENDS, stops=False)
    broken = fake_result(plan, 2, [0.99], seed=1, outcome="diverged")
    found = rank(plan, filled(plan, [*results, broken]))
    assert [placing.entrant for placing in found.placings] == [1, 0]
    assert "with 1 of 3 seeds" in found.unranked[0].text
    assert found.unranked[0].step == 50


def test_a_run_whose_last_loss_is_nan_counts_as_diverged() -> None:
    plan, results = race_with(ENDS)
    broken = fake_result(plan, 1, [0.8, 0.8, 0.8], seed=2, losses=[0.3, 0.3, math.nan])
    found = rank(plan, filled(plan, [*results, broken]))
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(1, "diverged")]


def test_a_run_whose_last_accuracy_is_not_finite_is_not_ranked() -> None:
    for odd in (math.nan, math.inf):
        plan, results = race_with(ENDS)
        (result,) = [each for each in results if each.cell == Cell(2, 1)]
        result.tests = {**result.tests, 3: replace(result.tests[3], accuracy=odd)}
        found = rank(plan, results)
        assert [placing.entrant for placing in found.placings] == [1, 0]
        assert [unranked.entrant for unranked in found.unranked] == [2]


def test_an_unfinished_race_is_compared_over_the_seeds_that_all_schedules_have() -> None:
    plan, results = race_with(ENDS)
    missing = [result for result in results if not (result.cell.entrant == 1 and result.cell.seed == 2)]
    found = rank(plan, filled(plan, missing))
    assert (found.seeds, found.is_whole) == ((0, 1), False)
    assert found.placings[0].values == {0: 0.90, 1: 0.912}
    assert any("2 of 3 seeds" in line for line in standing_lines(found))


def test_nothing_is_ranked_before_one_seed_or_one_schedule_is_complete() -> None:
    plan, results = race_with({0: [0.9, 0.8], 1: [0.9]})
    found = rank(plan, [result for result in results if result.cell != Cell(0, 1)] + [CellResult(Cell(0, 1))])
    assert found.placings == ()
    assert found.target is None
    assert [unranked.why for unranked in found.unranked] == ["unfinished"] * 3
    assert "no schedule is ranked yet" in "\n".join(standing_lines(found))


def test_a_schedule_with_all_seeds_done_has_a_result_beside_one_that_is_not_finished() -> None:
    plan, results = race_with({0: ENDS[0], 2: ENDS[2]})
    started = fake_result(plan, 1, [0.99], seed=0, outcome="stopped")
    results = filled(plan, [*results, started])
    found = rank(plan, results)
    assert [(placing.entrant, len(placing.values)) for placing in found.placings] == [(2, 3), (0, 3)]
    assert (found.seeds, dict(found.unfinished), found.is_whole) == ((0, 1, 2), {1: 0}, False)
    lines = standing_lines(found)
    assert f"not ranked: {B}, unfinished at step 50" in lines
    assert any(line.startswith(f"first so far: {C}, a mean accuracy of 0.9023 after 150 steps") for line in lines)
    assert f"unfinished: {B} (0 of 3 seeds done); the order may change" in lines
    assert not any("0 of 0" in line or "3 of 3" in line or line.startswith("first:") for line in lines)
    assert any(line.startswith("first so far: ") for line in standing_markdown(found))
    race = list(standing_records(found, results))[-1]
    assert (race["whole"], race["winner"], race["leader"]) == (False, None, C)
    assert race["unfinished"] == [{"label": B, "seeds_done": 0}]


def test_a_single_schedule_with_a_result_has_no_rival_yet() -> None:
    plan, results = race_with({0: [0.9]})
    found = rank(plan, results)
    assert [(placing.entrant, placing.mean) for placing in found.placings] == [(0, 0.9)]
    lines = standing_lines(found)
    assert f"first so far: {A}, accuracy of 0.9000 after 150 steps; no other schedule is ranked yet" in lines
    assert f"unfinished: {B} (0 of 1 seed done), {C} (0 of 1 seed done); the order may change" in lines


def test_a_ranked_schedule_with_a_seed_left_may_still_come_first() -> None:
    plan, results = race_with({0: ENDS[0], 1: ENDS[1][:2], 2: ENDS[2]})
    found = rank(plan, results)
    assert (found.seeds, len(found.placings), dict(found.unfinished)) == ((0, 1), 3, {1: 2})
    lines = standing_lines(found)
    assert f"unfinished: {B} (2 of 3 seeds done); the order may change" in lines
    assert list(standing_records(found, results))[-1]["winner"] is None


def test_a_race_without_a_result_is_over_when_every_schedule_has_failed() -> None:
    plan = fake_plan(A, B, epochs=3)
    results = filled(plan, [fake_result(plan, index, [0.5], outcome="failed") for index in (0, 1)])
    lines = standing_lines(rank(plan, results))
    assert "no schedule is ranked: each was stopped, diverged or failed" in lines


def test_the_default_target_is_reached_by_every_run() -> None:
    plan, results = race_with(ENDS)
    found = rank(plan, results)
    assert found.target == 0.84
    assert all(placing.reached is not None for placing in found.placings)
    by_entrant = {placing.entrant: placing for placing in found.placings}
    # the runs of C had 0.85, 0.862 and 0.845 an epoch earlier; A reached 0.84 only in the last epoch
    assert by_entrant[2].reached is not None
    assert (by_entrant[2].reached.steps, by_entrant[2].reached.seconds) == (100, 4.0)
    assert by_entrant[0].reached is not None
    assert by_entrant[0].reached.steps == 150
    assert by_entrant[2].time_rank == 1


def test_a_target_missed_with_one_seed_has_no_mean_time() -> None:
    plan, results = race_with(ENDS)
    plan.target = 0.9
    found = rank(plan, results)
    assert [(placing.reached, placing.reached_seeds, placing.time_rank) for placing in found.placings] == [
        (None, 2, None),
        (None, 0, None),
        (None, 0, None),
    ]
    assert "2 of 3 seeds" in "\n".join(standing_lines(found))


def test_equal_results_share_a_rank() -> None:
    plan, results = race_with({0: [0.9], 1: [0.9], 2: [0.8]})
    found = rank(plan, results)
    assert [placing.rank for placing in found.placings] == [1, 1, 3]
    # only the last one reaches 0.8 no earlier than in its last epoch
    assert [placing.time_rank for placing in found.placings] == [1, 1, 3]


def test_one_seed_gives_no_verdict() -> None:
    plan, results = race_with({entrant: each[:1] for entrant, each in ENDS.items()})
    text = "\n".join(standing_lines(rank(plan, results)))
    # the race may have been started in the cockpit, which has no options
    assert "with one seed the order may be due to chance; a race with 5 seeds shows more" in text
    assert "better" not in text.replace('"better" and "worse"', "")


def test_without_accuracy_the_lowest_loss_ranks_first() -> None:
    plan = fake_plan(A, B, epochs=2)
    results = [
        fake_result(plan, 0, [0.9, 0.5], accuracy=False),
        fake_result(plan, 1, [0.8, 0.4], accuracy=False),
    ]
    found = rank(plan, filled(plan, results))
    assert found.metric == "loss"
    assert [placing.entrant for placing in found.placings] == [1, 0]
    assert found.target == 0.5
    assert found.placings[0].reached is not None
    assert found.placings[0].reached.steps == 100


def test_runs_with_different_initial_weights_cause_a_warning() -> None:
    plan = fake_plan(A, B, seeds=2, epochs=2)
    results = [
        fake_result(plan, entrant, [0.8, 0.9], seed=seed, first_loss=2.3 + seed + 0.1 * entrant * seed)
        for entrant in (0, 1)
        for seed in (0, 1)
    ]
    (warning,) = rank(plan, filled(plan, results)).warnings
    assert "seed 1" in warning
    assert "did not start equal" in warning


def test_runs_on_different_data_cause_a_warning() -> None:
    plan = fake_plan(A, B, epochs=2)
    other = {"name": "made up", "source": "bundled sample", "train": 100, "test": 10}
    results = [fake_result(plan, 0, [0.8, 0.9]), fake_result(plan, 1, [0.8, 0.9], data=other)]
    warnings = rank(plan, filled(plan, results)).warnings
    assert any("bundled sample" in warning for warning in warnings)


def test_the_table_fits_the_width_and_is_aligned() -> None:
    plan, results = race_with(ENDS)
    lines = standing_lines(rank(plan, results), 100)
    table = lines[lines.index("") + 1 :][:4]
    assert all(len(line) <= 100 for line in table)
    accuracies = [re.search(r" 0\.\d{4} ", line) for line in table[1:]]
    assert len({match and match.start() for match in accuracies}) == 1
    assert [line.split()[0] for line in table] == ["#", "1", "2", "3"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_table_keeps_its_verdict_and_the_prose_its_words(width: int) -> None:
    plan, results = race_with(ENDS)
    whole, lines = standing_lines(rank(plan, results)), standing_lines(rank(plan, results), width)
    assert all(len(line) <= width for line in lines)
    start = lines.index("") + 1
    table = lines[start : start + 4]
    assert table[0].endswith("verdict")
    assert sorted(line.split()[-1] for line in table[1:]) == ["baseline", "better", "noise"]
    prose = " ".join(whole[whole.index("", 2) :]).split()
    assert " ".join(lines[start + 4 :]).split() == prose


def test_the_time_to_a_target_is_shown_only_if_one_was_given() -> None:
    plan, results = race_with(ENDS)
    assert "steps to" not in "\n".join([*standing_lines(rank(plan, results)), *standing_markdown(rank(plan, results))])
    plan.target = 0.8
    text = "\n".join(standing_lines(rank(plan, results)))
    assert "steps to 0.8000" in text
    assert "until the test accuracy at the end of an epoch was at least 0.8000" in text


def test_a_target_that_is_no_accuracy_is_left_out_with_a_warning() -> None:
    plan, results = race_with(ENDS)
    plan.target = -1.0
    found = rank(plan, results)
    text = "\n".join(standing_lines(found))
    assert "the target -1.0000 is not an accuracy" in text
    assert "steps to" not in text
    assert found.target == 0.84


def test_markdown_has_a_row_per_schedule_and_escapes_markup() -> None:
    plan, results = race_with(ENDS)
    plan.common = type(plan.common)(epochs=3, task="my_task.py:My|Task", name="<b>")
    lines = standing_markdown(rank(plan, results))
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 5
    assert len({line.replace(r"\|", "").count("|") for line in table}) == 1
    assert f"| `{C}` |" in table[2]
    assert r"\<b\>" in lines[0]
    assert r"My\|Task" in lines[0]


def test_json_has_the_runs_then_the_schedules_then_the_race() -> None:
    plan, results = race_with(ENDS)
    records = [
        json.loads(json.dumps(record, allow_nan=False)) for record in standing_records(rank(plan, results), results)
    ]
    assert [record["record"] for record in records] == ["run"] * 9 + ["schedule"] * 3 + ["race"]
    best = records[9]
    assert (best["label"], best["rank"], best["verdict"]) == (C, 1, "better")
    assert best["values"] == {"0": 0.90, "1": 0.912, "2": 0.895}
    assert records[-1]["winner"] == C
    assert records[0]["tests"][-1]["accuracy"] == 0.85


def test_a_run_that_was_changed_by_hand_is_marked() -> None:
    plan, results = race_with(ENDS)
    at = {"step": 60, "seconds": 1.0}
    nudge = LrSet(seq=900, **at, lrs_before=(0.01,), lrs_after=(0.02,), scale=(2.0,), by="user", command="lr*2.0")
    results[0].run_state.fold([nudge, replace(nudge, seq=901, scripted=True, command="lr*3.0")])
    (warning,) = rank(plan, results).warnings
    assert "was changed while it trained (step 60: lr*2.0)" in warning
    assert f"{A}, seed 0" in warning


def test_the_mean_tests_leave_out_epochs_that_a_seed_has_not_reached_and_values_that_are_not_finite() -> None:
    plan = fake_plan(A, B, C, seeds=2, epochs=3)
    results = [
        fake_result(plan, 0, [0.5, 0.7, 0.8], seed=0),
        fake_result(plan, 0, [0.7, 0.8], seed=1, outcome=None),
        fake_result(plan, 1, [0.5, math.inf, 0.6], seed=0),
    ]
    results = filled(plan, results)
    means = mean_tests(rank(plan, results), results)
    assert list(means) == [0, 1]
    assert means[0] == {1: pytest.approx(0.6), 2: pytest.approx(0.75)}
    assert means[1] == {1: 0.5, 3: 0.6}


@pytest.mark.parametrize(("mode", "first"), [("min", 0), ("max", 2)])
def test_a_race_is_decided_by_the_metric_that_the_task_names_as_best(mode: Mode, first: int) -> None:
    plan = fake_plan(A, B, C, epochs=3)
    ends = {0: 3.0, 1: 4.0, 2: 5.0}
    results = [fake_result(plan, entrant, [9.0, 9.0, end], best=("error", mode)) for entrant, end in ends.items()]
    found = rank(plan, results)
    assert [placing.entrant for placing in found.placings] == sorted(ends, reverse=mode == "max")
    assert found.metric == "error"
    assert found.placings[0].entrant == first
    assert found.target == (5.0 if mode == "min" else 9.0)
    assert "error" in "\n".join(standing_lines(found))
    records = list(standing_records(found, results))
    assert [record["tests"][-1]["error"] for record in records if record["record"] == "run"] == [3.0, 4.0, 5.0]


def test_a_schedule_whose_last_result_is_nan_is_not_ranked_and_the_report_names_the_metric() -> None:
    plan = fake_plan(A, B, epochs=2)
    results = [
        fake_result(plan, entrant, [1.0, end], best=("auc", "max")) for entrant, end in enumerate((0.5, math.nan))
    ]
    found = rank(plan, results)
    assert [placing.entrant for placing in found.placings] == [0]
    assert "the auc of its last test is not finite" in found.unranked[0].text
