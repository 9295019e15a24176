"""Races that are run: everybody begins alike, what was done is not done again, and what breaks is told."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import pytest
from other_process import computed
from racing import NOTING, planned, run_race, standing

from lrtui.analysis.race.plan import Cell, new_plan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race, find_unfinished, has_open_runs
from lrtui.analysis.race.results import read_results
from lrtui.run.errors import LrtuiError
from lrtui.training.checkpoint.files import saved_files

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)", "ExponentialLR(gamma=0.9) on SGD(lr=0.1)")


@pytest.mark.parametrize("processes", [1, 2])
def test_with_a_seed_all_begin_with_the_same_weights_and_batches(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    starts = []
    for seed in (0, 1):
        plan = planned(tmp_path, *SCHEDULES, task=f"{NOTING}Noting", epochs=1, seeds=1, seed=seed, processes=processes)
        run_race(tmp_path, plan)
        assert standing(tmp_path, plan).warnings == ()
        calls = defaultdict(list)
        for line in (tmp_path / "notes").read_text().splitlines():
            record = json.loads(line)
            calls[record["call"]].append(record)
        (tmp_path / "notes").unlink()
        assert [len(records) for records in calls.values()] == [len(SCHEDULES)] * 3
        assert len({record["weights"] for record in calls[0]}) == 1
        batches = [{record["batch"] for record in records} for records in calls.values()]
        assert [len(same) for same in batches] == [1, 1, 1]
        # the batches of a run differ, and so do the weights once a schedule has made its first step
        assert len(set.union(*batches)) == 3
        assert len({record["weights"] for record in calls[1]}) == len(SCHEDULES)
        starts.append((calls[0][0]["weights"], calls[0][0]["batch"]))
    assert starts[0][0] != starts[1][0]
    assert starts[0][1] != starts[1][1]


def test_a_task_that_begins_otherwise_each_time_is_found_out(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES[:2], task=f"{NOTING}Unseeded", epochs=1, seeds=1)
    run_race(tmp_path, plan)
    assert any("did not start alike" in warning for warning in standing(tmp_path, plan).warnings)


def test_every_run_is_in_the_store_under_its_name(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES, epochs=2, name="night")
    said = run_race(tmp_path, plan)
    results = read_results(tmp_path, plan)
    assert [result.state for result in results] == ["done"] * 6
    assert sorted(plan.runs.values()) == [1, 2, 3, 4, 5, 6]
    assert standing(tmp_path, plan).is_whole
    assert any("(5 of 6 runs done)" in line for line in said)
    assert plan.run_name(Cell(1, 0)) == "race 1 night: OneCycleLR(max_lr=0.05) seed 0"
    # a race leaves the last checkpoint of each run
    for run in plan.runs.values():
        assert [file.step for file in saved_files(tmp_path / "checkpoints" / str(run))] == [12]


def test_a_race_that_was_stopped_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    settings = {"epochs": 40, "task": f"{NOTING}Noisy", "stops": False}
    plan, other = (planned(tmp_path / name, *SCHEDULES[1:], **settings) for name in ("stopped", "whole"))
    run_race(tmp_path / "whole", other)
    files = PlanFiles(tmp_path / "stopped")
    begun: list[str] = []

    def say(line: str) -> None:
        if "runs done)" in line:
            begun.append(line)
        elif "epoch" in line and len(begun) in (2, 4):
            # in the midst of the second run; it is begun again as the third, and the one after that is stopped, too
            begun.append("")
            race.stop()

    done: dict[int, list[object]] = {}
    for stops_done in range(3):
        race = Race(files, files.load(1), say)
        race.run()
        results = read_results(files.folder, race.plan)
        assert any(result.state == "stopped" for result in results) == (stops_done < 2)
        assert has_open_runs(files, race.plan) == (stops_done < 2)
        # what was done is there as it was
        assert all(computed(files.folder, run) == story for run, story in done.items())
        ended = [result.run for result in results if result.state == "done" and result.run is not None]
        done |= {run: computed(files.folder, run) for run in ended}
    assert sum("resumes at step" in line for line in begun) == 2
    # no run was begun twice
    assert sorted(race.plan.runs.values()) == [1, 2, 3, 4]
    for cell in plan.cells:
        mine = computed(tmp_path / "stopped", race.plan.runs[cell])
        assert mine == computed(tmp_path / "whole", other.runs[cell])
    assert [p.values for p in standing(tmp_path / "stopped", race.plan).placings] == [
        p.values for p in standing(tmp_path / "whole", other).placings
    ]


def test_a_run_that_the_plan_does_not_know_yet_is_found_by_its_name(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES[:2], epochs=1, seeds=1)
    run_race(tmp_path, plan)
    # killed between the run's row and the plan's file
    plan.runs.clear()
    PlanFiles(tmp_path).save(plan)
    assert [result.run for result in read_results(tmp_path, plan)] == [1, 2]
    assert not has_open_runs(PlanFiles(tmp_path), plan)


def test_the_same_race_that_broke_off_is_known_again(tmp_path: Path) -> None:
    files = PlanFiles(tmp_path)
    plan = planned(tmp_path, *SCHEDULES[:2], epochs=1, seeds=1)
    again = new_plan(plan.entrants, plan.common, files.folder, seeds=1)
    found = find_unfinished(files, again)
    assert found is not None
    assert found.number == 1
    other = new_plan(plan.entrants, plan.common, files.folder, seeds=2)
    assert find_unfinished(files, other) is None
    run_race(tmp_path, plan)
    assert find_unfinished(files, again) is None


def test_a_schedule_that_diverges_leaves_and_the_others_run_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ConstantLR(factor=1.0) on SGD(lr=1e30)", epochs=2, seeds=3)
    run_race(tmp_path, plan)
    found = standing(tmp_path, plan)
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(1, "diverged")]
    assert [placing.entrant for placing in found.placings] == [0]
    assert found.is_whole
    assert Cell(1, 1) not in plan.runs


def test_without_the_rule_what_diverges_runs_with_every_seed(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ConstantLR(factor=1.0) on SGD(lr=1e30)", epochs=1, seeds=2, stops=False)
    run_race(tmp_path, plan)
    assert {result.state for result in read_results(tmp_path, plan) if result.cell.entrant == 1} == {"diverged"}
    assert Cell(1, 1) in plan.runs


def test_what_is_wrong_before_the_first_batch_ends_the_race(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ReduceLROnPlateau(metric='nothing')", epochs=1, seeds=1)
    with pytest.raises(LrtuiError, match="nothing"):
        run_race(tmp_path, plan)
    assert PlanFiles(tmp_path).load(1).process is None


def test_a_hopeless_schedule_is_stopped_and_the_race_goes_on_without_it(tmp_path: Path) -> None:
    # from a tenth of the run on its lr is nothing, and its network has learnt nothing
    hopeless = 'ExponentialLR(gamma=0.000001, per="batch") on SGD(lr=1e-9)'
    plan = planned(tmp_path, "OneCycleLR(max_lr=0.05)", hopeless, epochs=20, seeds=2, task=f"{NOTING}Noisy")
    said = run_race(tmp_path, plan)
    ruling = plan.rulings[1]
    assert (ruling.seed, ruling.epoch >= 6) == (0, True)
    assert any(line.startswith("stopped: ") for line in said)
    found = standing(tmp_path, plan)
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(1, "stopped")]
    assert found.unranked[0].step < 120
    assert Cell(1, 1) not in plan.runs
    assert not has_open_runs(PlanFiles(tmp_path), plan)
