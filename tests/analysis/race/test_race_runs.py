"""Races that are trained: equal starts for all schedules, resuming, and errors."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest
from other_process import computed, rows
from process_server import FORKING
from race_runs import TASKS, planned, run_race, standing

from lrtui.analysis.race.plan import Cell, new_plan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race
from lrtui.analysis.race.results import read_results
from lrtui.analysis.race.run_checkpoints import resume_plan_of
from lrtui.analysis.race.unfinished import find_unfinished, has_open_runs
from lrtui.run.errors import LrtuiError
from lrtui.training.checkpoint.files import saved_files

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)", "ExponentialLR(gamma=0.9) on SGD(lr=0.1)")


@pytest.mark.parametrize("jobs", [1, 2])
def test_with_the_same_seed_all_schedules_have_the_same_weights_and_batches(
    jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_RECORDS", str(tmp_path / "records"))
    monkeypatch.setattr("lrtui.distributed.local_launcher.subprocess", FORKING)
    starts = []
    for seed in (0, 1):
        plan = planned(tmp_path, *SCHEDULES, task=f"{TASKS}Recorded", epochs=1, seeds=1, seed=seed, jobs=jobs)
        run_race(tmp_path, plan)
        assert standing(tmp_path, plan).warnings == ()
        calls = defaultdict(list)
        for line in (tmp_path / "records").read_text().splitlines():
            record = json.loads(line)
            calls[record["call"]].append(record)
        (tmp_path / "records").unlink()
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


def test_native_output_of_a_run_is_written_to_its_file_and_not_into_the_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.distributed.local_launcher.subprocess", FORKING)
    plan = planned(tmp_path, *SCHEDULES[:2], task=f"{TASKS}Native", epochs=1, seeds=1, jobs=2)
    run_race(tmp_path, plan)
    assert [result.state for result in read_results(tmp_path, plan)] == ["done"] * 2
    (output,) = [path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".log", ".txt", ".out")]
    assert "native output\n" in output
    assert "native error\n" in output


def test_a_run_whose_process_aborts_names_the_file_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.distributed.local_launcher.subprocess", FORKING)
    plan = planned(tmp_path, *SCHEDULES[:2], task=f"{TASKS}Aborts", epochs=1, seeds=1, jobs=2)
    with pytest.raises(LrtuiError, match="its process was killed by SIGABRT: assertion failed; see ") as raised:
        run_race(tmp_path, plan)
    assert "assertion failed" in Path(str(raised.value).rpartition("; see ")[2]).read_text()


def test_a_task_that_ignores_the_seed_causes_a_warning(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES[:2], task=f"{TASKS}Unseeded", epochs=1, seeds=1)
    run_race(tmp_path, plan)
    assert any("did not start equal" in warning for warning in standing(tmp_path, plan).warnings)


def test_every_run_is_stored_under_its_name(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES, epochs=2, name="night")
    messages = run_race(tmp_path, plan)
    results = read_results(tmp_path, plan)
    assert [result.state for result in results] == ["done"] * 6
    assert sorted(plan.runs.values()) == [1, 2, 3, 4, 5, 6]
    assert standing(tmp_path, plan).is_whole
    assert any("(5 of 6 runs done)" in line for line in messages)
    assert plan.run_name(Cell(1, 0)) == "race 1 night: OneCycleLR(max_lr=0.05) seed 0"
    # a race leaves the last checkpoint of each run
    for run in plan.runs.values():
        assert [file.step for file in saved_files(tmp_path / "checkpoints" / str(run))] == [12]


def test_a_stopped_race_ends_with_the_same_results_after_resuming(tmp_path: Path) -> None:
    settings = {"epochs": 40, "task": f"{TASKS}Noisy", "stops": False}
    plan, uninterrupted = (planned(tmp_path / name, *SCHEDULES[1:], **settings) for name in ("stopped", "whole"))
    run_race(tmp_path / "whole", uninterrupted)
    files = PlanFiles(tmp_path / "stopped")
    run_lines: list[str] = []

    def say(line: str) -> None:
        if "runs done)" in line:
            run_lines.append(line)
        elif "epoch" in line and len(run_lines) in (2, 4):
            # stops during the second run and, when that has been resumed and has ended, during the next one
            run_lines.append("")
            race.stop()

    done: dict[int, list[object]] = {}
    for stops_done in range(3):
        race = Race(files, files.load(1), say)
        race.run()
        results = read_results(files.folder, race.plan)
        assert any(result.state == "stopped" for result in results) == (stops_done < 2)
        assert has_open_runs(files, race.plan) == (stops_done < 2)
        # finished runs are unchanged
        assert all(computed(files.folder, run) == story for run, story in done.items())
        ended = [result.run for result in results if result.state == "done" and result.run is not None]
        done |= {run: computed(files.folder, run) for run in ended}
    assert sum("resumes at step" in line for line in run_lines) == 2
    # no run was started twice
    assert sorted(race.plan.runs.values()) == [1, 2, 3, 4]
    for cell in plan.cells:
        computed_here = computed(tmp_path / "stopped", race.plan.runs[cell])
        assert computed_here == computed(tmp_path / "whole", uninterrupted.runs[cell])
    assert [p.values for p in standing(tmp_path / "stopped", race.plan).placings] == [
        p.values for p in standing(tmp_path / "whole", uninterrupted).placings
    ]


def test_a_run_missing_from_the_plan_is_found_by_its_name(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES[:2], epochs=1, seeds=1)
    run_race(tmp_path, plan)
    # as if killed after the run was stored and before the plan was saved
    plan.runs.clear()
    PlanFiles(tmp_path).save(plan)
    assert [result.run for result in read_results(tmp_path, plan)] == [1, 2]
    assert not has_open_runs(PlanFiles(tmp_path), plan)


def test_a_run_whose_steps_are_not_stored_up_to_its_checkpoint_starts_again(tmp_path: Path) -> None:
    plan = planned(tmp_path, *SCHEDULES[:2], epochs=2, seeds=1)
    run_race(tmp_path, plan)
    cell, run = plan.cells[0], plan.runs[plan.cells[0]]
    (file,) = saved_files(tmp_path / "checkpoints" / str(run))
    # as a worker leaves it whose race was killed: it saves the run, and nobody records its last steps
    with closing(sqlite3.connect(tmp_path / "runs.db")) as connection:
        with connection:
            connection.execute("UPDATE runs SET state = 'stopped' WHERE id = ?", [run])
        assert resume_plan_of(tmp_path, plan, cell) is not None
        with connection:
            for table in ("batches", "events"):
                connection.execute(f"DELETE FROM {table} WHERE run = ? AND seq >= ?", [run, file.seq - 3])
    assert resume_plan_of(tmp_path, plan, cell) is None
    run_race(tmp_path, plan)
    assert plan.runs[cell] != run
    steps = rows(tmp_path, "SELECT step FROM batches WHERE run = ? ORDER BY step", [plan.runs[cell]])
    assert [step for (step,) in steps] == list(range(12))
    assert [result.state for result in read_results(tmp_path, plan)] == ["done", "done"]


def test_an_unfinished_race_with_the_same_settings_is_found(tmp_path: Path) -> None:
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


def test_a_schedule_that_diverges_is_stopped_and_the_others_continue(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ConstantLR(factor=1.0) on SGD(lr=1e30)", epochs=2, seeds=3)
    run_race(tmp_path, plan)
    found = standing(tmp_path, plan)
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(1, "diverged")]
    assert [placing.entrant for placing in found.placings] == [0]
    assert found.is_whole
    assert Cell(1, 1) not in plan.runs


def test_without_the_stopping_rule_a_diverging_schedule_runs_with_every_seed(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ConstantLR(factor=1.0) on SGD(lr=1e30)", epochs=1, seeds=2, stops=False)
    run_race(tmp_path, plan)
    assert {result.state for result in read_results(tmp_path, plan) if result.cell.entrant == 1} == {"diverged"}
    assert Cell(1, 1) in plan.runs


def test_an_error_before_the_first_batch_ends_the_race(tmp_path: Path) -> None:
    plan = planned(tmp_path, SCHEDULES[0], "ReduceLROnPlateau(metric='nothing')", epochs=1, seeds=1)
    with pytest.raises(LrtuiError, match="nothing"):
        run_race(tmp_path, plan)
    assert PlanFiles(tmp_path).load(1).process is None


def test_a_hopeless_schedule_is_stopped_and_the_others_continue(tmp_path: Path) -> None:
    # after a tenth of the run its lr is near 0, and the network has learnt nothing
    hopeless = 'ExponentialLR(gamma=0.000001, per="batch") on SGD(lr=1e-9)'
    plan = planned(tmp_path, "OneCycleLR(max_lr=0.05)", hopeless, epochs=20, seeds=2, task=f"{TASKS}Noisy")
    messages = run_race(tmp_path, plan)
    ruling = plan.rulings[1]
    assert (ruling.seed, ruling.epoch >= 6) == (0, True)
    assert any(line.startswith("stopped: ") for line in messages)
    found = standing(tmp_path, plan)
    assert [(unranked.entrant, unranked.why) for unranked in found.unranked] == [(1, "stopped")]
    assert found.unranked[0].step < 120
    assert Cell(1, 1) not in plan.runs
    assert not has_open_runs(PlanFiles(tmp_path), plan)
