"""Plans of races and their files, and the schedules that a race takes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from race_runs import fake_plan, planned

from lrtui.analysis.race.plan import Cell, Entrant, RacePlan, Ruling, check_entrants, parse_entrant
from lrtui.analysis.race.plan_files import MAX_BYTES, PlanFiles
from lrtui.distributed.engine_settings import EngineSettings
from lrtui.run.errors import NotationError, StoreError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.store.liveness import ProcessIdentity, machine, started


def test_a_saved_plan_loads_unchanged(tmp_path: Path) -> None:
    plan = RacePlan(
        number=0,
        created=12.5,
        entrants=(Entrant("StepLR(step_size=3)", "SGD(lr=0.1)", ("step 3: lr=0.1",), "mine"), Entrant("ConstantLR()")),
        seeds=(3, 4),
        common=RunSpec(epochs=7, at=("epoch 2: lr*0.5",), train_samples=640),
        engine=EngineSettings("slurm", jobs=3, cpus=4, gpus=1.0, slurm=(("partition", "gpu"), ("exclusive", True))),
        threads=2,
        stops=False,
        target=0.9,
        runs={Cell(0, 3): 12, Cell(1, 3): 13},
        rulings={1: Ruling(3, 2, 100, "no hope")},
    )
    files = PlanFiles(tmp_path)
    files.create(plan)
    assert plan.number == 1
    assert files.load(1) == plan
    assert files.find("last") == plan


def test_a_plan_of_an_earlier_version_has_processes_of_this_machine(tmp_path: Path) -> None:
    planned(tmp_path, "ConstantLR()", "StepLR(3)")
    path = tmp_path / "races" / "1.json"
    record = json.loads(path.read_text())
    del record["engine"]
    path.write_text(json.dumps({**record, "processes": 3}))
    assert PlanFiles(tmp_path).load(1).engine == EngineSettings("local", jobs=3)


def test_plan_files_are_numbered_and_readable_only_by_the_owner(tmp_path: Path) -> None:
    numbers = [planned(tmp_path, "ConstantLR()", "StepLR(3)").number for _ in range(3)]
    assert numbers == [1, 2, 3]
    for path in (tmp_path / "races").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(path.name for path in (tmp_path / "races").iterdir()) == ["1.json", "2.json", "3.json"]


def test_a_number_taken_by_another_process_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned(tmp_path, "ConstantLR()", "StepLR(3)")
    monkeypatch.setattr(PlanFiles, "numbers", lambda self: [])
    assert planned(tmp_path, "ConstantLR()", "StepLR(3)").number == 2


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"version": 1}', '{"version": 99}', '{"version": 1, "seeds": 3}', "\x00"]
)
def test_a_damaged_plan_file_raises_a_store_error(text: str, tmp_path: Path) -> None:
    planned(tmp_path, "ConstantLR()", "StepLR(3)")
    (tmp_path / "races" / "1.json").write_text(text)
    with pytest.raises(StoreError, match=r"can't read the race plan .*1\.json"):
        PlanFiles(tmp_path).find("1")


def test_a_race_that_was_killed_while_it_was_created_is_left_out(tmp_path: Path) -> None:
    files, plan = PlanFiles(tmp_path), planned(tmp_path, "ConstantLR()", "StepLR(3)")
    (tmp_path / "races" / "2.json").touch()
    assert files.find("last").created == plan.created
    assert planned(tmp_path, "ConstantLR()", "StepLR(3)").number == 3
    for number in (1, 3):
        (tmp_path / "races" / f"{number}.json").write_text("")
    with pytest.raises(UsageError, match="no races in the store"):
        files.find("last")


def test_a_failed_save_leaves_the_plan_file_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, "ConstantLR()", "StepLR(3)")
    before = (tmp_path / "races" / "1.json").read_text()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fails)
    plan.runs[Cell(0, 0)] = 99
    with pytest.raises(StoreError, match="No space left"):
        PlanFiles(tmp_path).save(plan)
    assert (tmp_path / "races" / "1.json").read_text() == before


@pytest.mark.parametrize(("text", "message"), [("7", "the newest are 1"), ("x", "no race 'x'"), ("²", "no race")])
def test_an_unknown_race_is_refused(text: str, message: str, tmp_path: Path) -> None:
    planned(tmp_path, "ConstantLR()", "StepLR(3)")
    with pytest.raises(UsageError, match=message):
        PlanFiles(tmp_path).find(text)


def test_a_store_without_races_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no races in the store"):
        PlanFiles(tmp_path).find("last")


def test_a_race_runs_in_one_process_at_a_time(tmp_path: Path) -> None:
    files, plan = PlanFiles(tmp_path), planned(tmp_path, "ConstantLR()", "StepLR(3)")
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        plan.process = ProcessIdentity(machine(), other.pid, started(other.pid) or "")
        with pytest.raises(UsageError, match=f"is already running in process {other.pid}"):
            files.claim(plan)
    finally:
        other.communicate(b"\n")
    files.claim(plan)
    assert plan.process is not None
    assert plan.process.pid == os.getpid()
    files.release(plan)
    assert json.loads((tmp_path / "races" / "1.json").read_text())["process"] is None


@pytest.mark.parametrize(
    ("text", "schedule", "optimizer"),
    [
        ("StepLR(3)", "StepLR(step_size=3)", None),
        ("StepLR(3) on Adam(lr=0.1)", "StepLR(step_size=3)", "Adam(lr=0.1)"),
        ("  StepLR(3)   on   SGD(0.1)", "StepLR(step_size=3)", "SGD(lr=0.1)"),
        ('CosineAnnealingLR(per="batch") on AdamW(lr=0.1)', 'CosineAnnealingLR(per="batch")', "AdamW(lr=0.1)"),
    ],
)
def test_an_entrant_can_have_another_optimizer(text: str, schedule: str, optimizer: str | None) -> None:
    entrant = parse_entrant(text)
    assert (entrant.schedule, entrant.optimizer) == (schedule, optimizer)
    assert parse_entrant(entrant.label) == entrant


@pytest.mark.parametrize(
    "text", ["StepLR", "Foo(3)", "StepLR(3) on Adamm()", "StepLR(3) on ", "StepLR(3) on 3", "", "on"]
)
def test_text_that_is_not_an_entrant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_entrant(text)


def test_an_error_in_a_schedule_has_its_position() -> None:
    with pytest.raises(NotationError) as refused:
        parse_entrant("StepLR(step_sise=3)")
    assert refused.value.position == 7


def test_a_race_needs_two_different_schedules() -> None:
    with pytest.raises(UsageError, match="at least two schedules"):
        check_entrants([parse_entrant("StepLR(3)")])
    with pytest.raises(UsageError, match="given twice"):
        check_entrants([parse_entrant("StepLR(3)"), parse_entrant("StepLR(step_size=3)")])
    check_entrants([parse_entrant("StepLR(3)"), parse_entrant("StepLR(3) on Adam(lr=0.1)")])


def test_each_run_has_the_settings_of_the_race_and_its_seed() -> None:
    plan = fake_plan("ConstantLR()", "StepLR(step_size=3)", seeds=2)
    plan.entrants = (plan.entrants[0], Entrant("StepLR(step_size=3)", "SGD(lr=0.1)", ("step 2: lr=1",)))
    spec = plan.spec(Cell(1, 1))
    assert (spec.schedule, spec.optimizer, spec.seed) == ("StepLR(step_size=3)", "SGD(lr=0.1)", 1)
    assert spec.at == ("step 2: lr=1",)
    assert spec.name == "race 1: StepLR(step_size=3) on SGD(lr=0.1) seed 1"
    assert spec.epochs == plan.common.epochs
    assert plan.spec(Cell(0, 1)).optimizer == plan.common.optimizer


def test_a_plan_is_written_through_what_is_no_regular_file(tmp_path: Path) -> None:
    files, plan = PlanFiles(tmp_path), fake_plan("StepLR(2)", "ConstantLR()")
    files.create(plan)
    path = tmp_path / "races" / "1.json"
    elsewhere = tmp_path / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    plan.engine = EngineSettings(jobs=3)
    files.save(plan)
    assert path.is_symlink()
    assert files.load(1).engine.jobs == 3
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left on device"):
        files.save(plan)
    assert path.is_symlink()


def test_a_plan_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    files = PlanFiles(tmp_path)
    files.create(fake_plan("StepLR(2)", "ConstantLR()"))
    with (tmp_path / "races" / "1.json").open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(StoreError, match="larger than 100 MB"):
        files.load(1)
