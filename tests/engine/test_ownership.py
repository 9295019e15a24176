"""A run has one trainer and its own checkpoints, and training never waits for a store."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from other_process import SLOW, OtherProcess, computed, rows, wait_for_step
from training_runs import tiny_spec
from waiting import SECONDS, wait_for

from lrtui import Run
from lrtui.engine.resume import epoch_ends, interrupted_run, plan_offered_resume, plan_resume
from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.events import Notice
from lrtui.store import liveness, run_rows
from lrtui.store import writer as writer_module
from lrtui.store.connection import transaction
from lrtui.store.location import DATABASE
from lrtui.store.store_feed import state_at
from lrtui.training.checkpoint.files import saved_files
from lrtui.training.checkpoint.format import load_checkpoint
from lrtui.training.checkpoint.resume import read_resume_point


def train(folder: Path, output: Path, *more: str, epochs: int = 15) -> OtherProcess:
    """Train for epochs of 24 steps."""
    arguments = ["train", "StepLR(20)", "--task", SLOW, "--batch-size", "4", "--epochs", str(epochs), "--quiet"]
    return OtherProcess([*arguments, "--store", str(folder), *more], output)


def resume(folder: Path, output: Path, *more: str) -> OtherProcess:
    return OtherProcess(["resume", "1", "--store", str(folder), "--quiet", *more], output)


def delete_database(folder: Path) -> None:
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep the store locked, as another process does."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def wait_for_checkpoint(folder: Path, step: int, process: OtherProcess) -> None:
    """Wait until run 1 has saved its checkpoint of this step, also while the store is locked."""
    saved = folder / "checkpoints" / "1"
    wait_for(
        lambda: list(saved.glob(f"*-step-{step}.pt")) or not process.is_alive,
        lambda: "training waits for the store",
        seconds=4 * SECONDS,
    )
    assert process.is_alive, process.printed


def steps(folder: Path) -> list[int]:
    return [step for (step,) in rows(folder, "SELECT step FROM batches WHERE NOT superseded ORDER BY seq")]


# -- whose checkpoints they are ------------------------------------------------------------------------------------


def test_a_resume_never_takes_a_checkpoint_of_a_deleted_store(tmp_path: Path) -> None:
    Run(tiny_spec(store=str(tmp_path), schedule="StepLR(2)", epochs=12)).start().result()
    before = {path.name: path.read_bytes() for path in (tmp_path / "checkpoints" / "1").iterdir()}
    copy = tmp_path.with_name("copy")
    shutil.copytree(tmp_path / "checkpoints", copy / "checkpoints")
    delete_database(tmp_path)
    # another folder: this process has the deleted database open
    run = Run(tiny_spec(store=str(copy), schedule="ConstantLR(factor=1.0)", epochs=3)).start()
    run.result()
    assert any("had checkpoints of another run" in line.text for line in run.state.log.lines)
    # they are kept
    other = copy / "checkpoints" / "1.other-run-1"
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before
    plan = plan_resume(copy, "last", epochs=14)
    assert plan.file.step == 18
    resumed = Run(plan.spec, resume_plan=plan).start().result()
    assert resumed.step == 14 * 6
    assert set(rows(copy, "SELECT lr FROM batches")) == {(0.01,)}


def test_a_checkpoint_of_another_run_in_a_runs_folder_is_set_aside(tmp_path: Path) -> None:
    for name, epochs in (("one", 4), ("two", 2)):
        Run(tiny_spec(store=str(tmp_path / name), epochs=epochs)).start().result()
    foreign = saved_files(tmp_path / "one" / "checkpoints" / "1")[-1].path
    mine = tmp_path / "two" / "checkpoints" / "1"
    shutil.copy(foreign, mine)
    plan = plan_resume(tmp_path / "two", "1", epochs=3)
    assert plan.file.step == 12
    assert Run(plan.spec, resume_plan=plan).start().result().status == "done"
    assert (mine.with_name("1.other-run-1") / foreign.name).exists()
    # also if it is named: it is loaded and refused
    plan = plan_resume(tmp_path / "two", "1", epochs=4)
    shutil.copy(foreign, mine)
    run = Run(plan.spec, resume_plan=replace(plan, file=replace(plan.file, path=foreign))).start()
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run.result()


def test_a_run_of_an_earlier_schema_is_resumed_from_its_checkpoints(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(Path(__file__).parents[1] / "contract_store", store)
    for file in saved_files(store / "checkpoints" / "1"):
        assert load_checkpoint(file.path).run_uid == ""
    assert rows(store, "SELECT uid, owner FROM runs WHERE id = 1") == [("", "")]
    assert plan_resume(store, "1", epochs=99).file in saved_files(store / "checkpoints" / "1")


def test_a_checkpoint_of_another_run_is_no_epoch_end_and_not_named_as_the_one_before_a_damaged_one(
    tmp_path: Path,
) -> None:
    for name, epochs in (("one", 2), ("two", 3)):
        Run(tiny_spec(store=str(tmp_path / name), epochs=epochs)).start().result()
    mine = tmp_path / "two" / "checkpoints" / "1"
    state = state_at(tmp_path / "two", 1, 10**9)
    own = epoch_ends(tmp_path / "two", 1, state)
    assert list(own) == [1, 2, 3]
    for file in saved_files(mine)[:-1]:
        file.path.unlink()
    for file in saved_files(tmp_path / "one" / "checkpoints" / "1"):
        shutil.copy(file.path, mine)
    assert epoch_ends(tmp_path / "two", 1, state) == {3: own[3]}
    plan = plan_resume(tmp_path / "two", "1", epochs=4)
    plan.file.path.write_bytes(plan.file.path.read_bytes()[:2000])
    with pytest.raises(CheckpointError) as raised:
        read_resume_point(plan.resume_point)
    assert "is intact" not in str(raised.value)


def test_an_offered_resume_leaves_a_damaged_checkpoint_out(tmp_path: Path) -> None:
    Run(tiny_spec(store=str(tmp_path), at=("step 15: stop",))).start().result()
    newest = plan_offered_resume(tmp_path, "1")
    assert (newest.file.step, newest.damaged) == (15, None)
    newest.file.path.write_bytes(newest.file.path.read_bytes()[:2000])
    plan = plan_offered_resume(tmp_path, "1")
    assert plan.file.step == 12
    assert plan.damaged is not None
    assert plan.damaged.step == 15
    # the script stops it there again
    assert Run(plan.spec, resume_plan=plan).start().result().step == 15
    assert plan_offered_resume(tmp_path, "1").damaged is None


def test_the_offer_at_the_start_reads_no_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Run(tiny_spec(store=str(tmp_path), at=("step 15: stop",))).start().result()
    with transaction(tmp_path) as connection:
        run_rows.update(connection, 1, state="running", pid_started="never")

    read: list[ZipFile] = []
    monkeypatch.setattr(ZipFile, "testzip", read.append)
    plan = interrupted_run(tmp_path)
    assert plan is not None
    assert (plan.file.step, plan.damaged) == (15, None)
    plan.file.path.write_bytes(plan.file.path.read_bytes()[:-100])
    plan = interrupted_run(tmp_path)
    assert plan is not None
    assert plan.damaged is not None
    assert (plan.file.step, plan.damaged.step) == (12, 15)
    assert read == []


# -- one trainer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 0.4, *(pytest.param(each, marks=pytest.mark.deep) for each in (0.05, 1.5))])
def test_of_two_resumes_of_one_run_only_one_trains(delay: float, tmp_path: Path) -> None:
    store = tmp_path / "store"
    # long enough for the second to start before the first has ended
    whole = train(store, tmp_path / "printed", "--at", "step 20: stop", epochs=45)
    assert whole.wait() == 0, whole.printed
    first = resume(store, tmp_path / "first")
    time.sleep(delay)
    second = resume(store, tmp_path / "second")
    ends = {process.wait(): process for process in (first, second)}
    assert set(ends) == {0, 2}, first.printed + second.printed
    assert "in process" in ends[2].printed or "was resumed by another process" in ends[2].printed
    assert steps(store) == list(range(1080))
    assert rows(store, "SELECT state, resuming FROM runs") == [("done", 0)]


def test_of_claims_at_the_same_time_one_is_granted(tmp_path: Path) -> None:
    Run(tiny_spec(store=str(tmp_path), at=("step 9: stop",))).start().result()
    owner = plan_resume(tmp_path, "1").run.owner
    start = threading.Barrier(6)
    granted: list[str] = []
    refused: list[UsageError] = []

    def claim(name: str) -> None:
        with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None, timeout=30)) as connection:
            start.wait()
            connection.execute("BEGIN IMMEDIATE")
            try:
                run_rows.claim_run(connection, 1, owner, name)
                granted.append(name)
            except UsageError as error:
                refused.append(error)
            connection.execute("COMMIT")

    threads = [threading.Thread(target=claim, args=(f"owner {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 1
    assert len(refused) == 5
    assert rows(tmp_path, "SELECT owner FROM runs") == [(granted[0],)]


def test_a_claim_is_refused_if_the_run_was_resumed_since_it_was_planned(tmp_path: Path) -> None:
    Run(tiny_spec(store=str(tmp_path), at=("step 9: stop",))).start().result()
    plan, late = plan_resume(tmp_path, "1"), plan_resume(tmp_path, "1")
    Run(plan.spec, resume_plan=plan).start().result()
    with pytest.raises(UsageError, match="was resumed by another process"):
        Run(late.spec, resume_plan=late).start()
    assert rows(tmp_path, "SELECT state FROM runs") == [("done",)]


def test_a_refused_resume_gives_the_run_back(tmp_path: Path) -> None:
    Run(tiny_spec(store=str(tmp_path), at=("step 9: stop",))).start().result()
    before = rows(tmp_path, "SELECT * FROM runs")
    plan = plan_resume(tmp_path, "1")
    content = plan.file.path.read_bytes()
    plan.file.path.write_bytes(content[:2000])
    run = Run(plan.spec, resume_plan=plan).start()
    with pytest.raises(CheckpointError):
        run.result()
    assert rows(tmp_path, "SELECT * FROM runs") == before
    plan.file.path.write_bytes(content)
    plan = plan_resume(tmp_path, "1")
    assert Run(plan.spec, resume_plan=plan).start().result().status == "done"


def test_a_trainer_that_was_suspended_and_replaced_stops_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    first = train(store, tmp_path / "first", "--checkpoint-seconds", "0.1", epochs=25)
    wait_for_step(store, 60, first)
    # as seen from another PID namespace, of which only the heartbeat is known
    foreign = "UPDATE runs SET machine = 'elsewhere|1|2', heartbeat = heartbeat - 20"
    while True:
        first.signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(store / DATABASE, timeout=0.2)) as connection, connection:
                connection.execute(foreign)
            break
        except sqlite3.OperationalError:
            # it was stopped within a transaction
            first.signal(signal.SIGCONT)
            assert first.is_alive
    second = resume(store, tmp_path / "second")
    wait_for(
        lambda: (
            rows(store, "SELECT 1 FROM batches WHERE superseded")
            or rows(store, "SELECT count(*) FROM events WHERE kind = 'run_started'") == [(2,)]
            or not second.is_alive
        )
    )
    first.signal(signal.SIGCONT)
    assert first.wait() == 1, first.printed
    assert "was resumed by another process" in first.printed
    assert second.wait() == 0, second.printed
    assert steps(store) == list(range(600))
    again = tmp_path / "again"
    assert train(again, tmp_path / "whole", epochs=25).wait() == 0
    assert computed(store) == computed(again)
    assert liveness.LOST_SECONDS < 20


# -- a locked store ------------------------------------------------------------------------------------------------


def test_a_locked_store_does_not_delay_training_or_lose_checkpoints_and_rows(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = train(store, tmp_path / "printed", "--checkpoint-seconds", "1000", epochs=15)
    wait_for_step(store, 20, process)
    began = time.monotonic()
    with locked(store):
        # the run goes to its end although nothing can be stored
        wait_for_checkpoint(store, 360, process)
    waited = time.monotonic() - began
    assert process.wait() == 0, process.printed
    assert steps(store) == list(range(360))
    assert len(saved_files(store / "checkpoints" / "1")) == 15
    ((kept,),) = rows(store, "SELECT count(*) FROM events WHERE kind = 'checkpoint_saved'")
    assert kept == 15
    # neither the wait for the lock nor the end counts as training time
    seconds = [done for (done,) in rows(store, "SELECT seconds FROM events WHERE kind = 'epoch_done' ORDER BY seq")]
    assert max(after - before for before, after in pairwise(seconds)) < max(3.0, waited / 2)


def test_a_run_that_starts_while_the_store_is_locked_waits_for_it_says_so_and_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SILENT_SECONDS", 0.2)
    run = Run(tiny_spec(store=str(tmp_path), epochs=2))
    start = threading.Thread(target=run.start)
    notices: list[str] = []

    def read() -> list[str]:
        notices.extend(event.text for event in run.poll() if isinstance(event, Notice) and event.code == "store")
        return notices

    with locked(tmp_path):
        start.start()
        wait_for(read)
        assert start.is_alive()
    start.join(SECONDS)
    assert len(read()) == 1
    assert notices[0].startswith(f"waiting up to 60 s for {tmp_path / DATABASE}")
    assert run.result().status == "done"
    run.poll()
    assert len(steps(tmp_path)) == run.state.step


def test_a_run_killed_while_the_store_was_locked_resumes_where_its_events_end(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = train(store, tmp_path / "printed", epochs=15)
    # the first epoch's checkpoint is stored
    wait_for_step(store, 30, process)
    with locked(store):
        wait_for_checkpoint(store, 240, process)
        process.signal(signal.SIGKILL)
        process.wait()
    assert plan_resume(store, "1").file.step < 240
    again = resume(store, tmp_path / "again")
    assert again.wait() == 0, again.printed
    assert steps(store) == list(range(360))


# -- what is said at the end -------------------------------------------------------------------------------------------


BROKEN = """
from tiny_task import Tiny
class Broken(Tiny):
    def loss(self, outputs, targets):
        raise RuntimeError("broken")
"""


def test_only_a_run_with_a_checkpoint_is_offered_for_resume(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    arguments = ["train", "StepLR(1)", "--batch-size", "16", "--epochs", "2", "--store", str(tmp_path / "store")]
    stopped = OtherProcess([*arguments, "--task", SLOW, "--at", "step 9: stop"], tmp_path / "stopped")
    assert stopped.wait() == 0
    assert f"stored as run 1; lrtui resume 1 --store {tmp_path / 'store'} continues it" in stopped.printed
    failed = OtherProcess([*arguments, "--task", f"{tmp_path / 'broken.py'}:Broken"], tmp_path / "failed")
    assert failed.wait() == 1
    assert f"stored as run 2; lrtui runs show 2 --store {tmp_path / 'store'} shows it" in failed.printed, failed.printed


def test_the_end_of_a_run_says_that_it_waits_for_the_store(tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = train(store, tmp_path / "printed", epochs=5)
    wait_for_step(store, 30, process)
    with locked(store):
        wait_for(lambda: "waiting for the store" in process.printed)
    assert process.wait() == 0
    assert rows(store, "SELECT state FROM runs") == [("done",)]
