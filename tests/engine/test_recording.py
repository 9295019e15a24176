"""Runs of a session are recorded, resumed and branched; a store that fails is reported and stops no run."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import recorded_run
from store_runs import folded, stored
from training_runs import TINY, tiny_spec

from lrtui import Run, RunSpec
from lrtui.engine.recording import Recording
from lrtui.engine.resume import describe_user_files, plan_branch, plan_resume
from lrtui.engine.session import Session
from lrtui.run.commands import Pause
from lrtui.run.errors import CheckpointError, LrtuiError, StoreError, UsageError
from lrtui.run.events import (
    CheckpointSaved,
    CommandRefused,
    Event,
    Notice,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.run.state import RunState
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import StoredRun, all_runs, checkpoint_folder, find_run
from lrtui.store.store_feed import StoreFeed
from lrtui.training.checkpoint.files import saved_files


def play(run: Run, stop_at: int | None = None) -> list[Event]:
    """Start a run and return its events; it is stopped some time after so many steps."""
    events = []
    for event in run.start():
        events.append(event)
        if isinstance(event, StepDone) and event.step + 1 == stop_at:
            run.send("stop")
    return events


def recorded_events(folder: Path, stop_at: int | None = None, **settings: Any) -> tuple[Run, list[Event]]:
    """Return a recorded run and its events; it is stopped after exactly so many steps."""
    at = () if stop_at is None else (f"step {stop_at}: stop",)
    run = Run(tiny_spec(store=str(folder), at=at, **settings))
    return run, play(run)


def row(folder: Path, words: str = "last") -> StoredRun:
    with closing(open_for_reading(folder)) as connection:
        return find_run(connection, words)


def stored_ids(folder: Path) -> list[int]:
    with closing(open_for_reading(folder)) as connection:
        return [run.id for run in all_runs(connection)]


def of(kind: type[Event], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def numbers(events: list[Event]) -> list[Any]:
    return [(e.step, e.loss, e.lrs) for e in of(StepDone, events)]


def test_a_run_is_recorded_with_everything_needed_to_repeat_it(tmp_path: Path) -> None:
    run, events = recorded_events(tmp_path, schedule="OneCycleLR(max_lr=0.1)", name="first")
    assert run.is_recorded
    assert run.number == 1
    assert stored(tmp_path, 1) == folded(events)
    assert [event.seq for event in events] == list(range(len(events)))
    found = row(tmp_path)
    assert (found.id, found.name, found.state, found.step, found.epoch) == (1, "first", "done", 24, 4)
    assert found.spec.schedule == "OneCycleLR(max_lr=0.1)"
    assert found.schedule == "OneCycleLR(max_lr=0.1, total_steps=24)"
    assert found.best_accuracy == max(e.accuracy for e in run.state.evaluations)  # type: ignore[type-var]
    assert set(found.versions) == {"python", "lrtui", "torch", "numpy", TINY.rpartition(":")[0]}
    assert found.data["train"] == 96
    assert found.directory == str(Path.cwd())


def test_epoch_checkpoints_and_the_newest_other_checkpoint_stay(tmp_path: Path) -> None:
    _, events = recorded_events(tmp_path, stop_at=15)
    saved = of(CheckpointSaved, events)
    assert [(event.step, event.reason) for event in saved] == [(6, "epoch"), (12, "epoch"), (15, "stop")]
    assert sorted(Path(event.path).name for event in saved) == sorted(
        path.name for path in (tmp_path / "checkpoints" / "1").iterdir()
    )


def test_only_a_file_that_a_run_can_resume_from_counts_as_a_checkpoint(tmp_path: Path) -> None:
    run, _ = recorded_events(tmp_path, stop_at=3, task=TINY)
    folder = checkpoint_folder(tmp_path, run.number)
    assert run.has_checkpoint
    for file in saved_files(folder):
        file.path.rename(folder / f"copy-of-{file.path.name}")
    assert saved_files(folder) == []
    assert not run.has_checkpoint
    assert not Run(tiny_spec()).has_checkpoint


def test_a_resumed_run_has_the_same_number_and_the_same_results(tmp_path: Path) -> None:
    _, whole = recorded_events(tmp_path / "whole", schedule="OneCycleLR(max_lr=0.1)")
    _, before = recorded_events(tmp_path / "cut", stop_at=15, schedule="OneCycleLR(max_lr=0.1)")
    plan = plan_resume(tmp_path / "cut", "last")
    run = Run(plan.spec, resume_plan=plan)
    after = play(run)
    assert run.number == 1
    started = of(RunStarted, after)[0]
    assert (started.resumed_from, started.step) == (15, 15)
    assert numbers(before) + numbers(after) == numbers(whole)
    # its state has the earlier events, and so does the store
    assert (run.state.step, len(run.state.loss), len(run.state.evaluations)) == (24, 24, 4)
    assert stored(tmp_path / "cut", 1).loss == folded(whole).loss
    assert [event.seq for event in before + after] == list(range(len(before) + len(after)))
    found = row(tmp_path / "cut")
    assert (found.id, found.state, found.step) == (1, "done", 24)
    with closing(open_for_reading(tmp_path / "cut")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_resumed_run_has_the_same_state_from_the_store_and_live(tmp_path: Path) -> None:
    recorded_events(tmp_path, stop_at=15)
    with closing(open_for_reading(tmp_path)) as connection:
        feed, watcher = StoreFeed(connection, 1), RunState()
        watcher.fold(feed.take())
        plan = plan_resume(tmp_path, "1")
        run = Run(plan.spec, resume_plan=plan)
        play(run)
        # a reader that has followed the run from another process
        watcher.fold(feed.take())
    fresh = stored(tmp_path, 1)
    for state in (run.state, watcher):
        assert state.loss == fresh.loss
        assert state.evaluations == fresh.evaluations
        assert (state.status, state.step, state.schedule) == (fresh.status, fresh.step, fresh.schedule)
    assert list(watcher.log.lines)[-5:] == list(fresh.log.lines)[-5:]


def test_changes_given_to_a_resume_are_applied_and_published(tmp_path: Path) -> None:
    recorded_events(tmp_path, stop_at=9)
    plan = plan_resume(tmp_path, "1", schedule='LambdaLR("1") from current', lr=0.5, epochs=6)
    events = play(Run(plan.spec, resume_plan=plan))
    switched = of(ScheduleSwitched, events)[0]
    assert (switched.step, switched.command, switched.scripted) == (9, 'LambdaLR("1") from current', False)
    assert {e.lrs for e in of(StepDone, events)} == {(0.5,)}
    assert of(StepDone, events)[-1].step == 35
    assert row(tmp_path).total_steps == 36


def test_a_run_resumed_twice_replays_the_commands_of_the_first_resume(tmp_path: Path) -> None:
    recorded_events(tmp_path, stop_at=9, epochs=200, schedule='LambdaLR("1")')
    plan = plan_resume(tmp_path, "1", lr=0.5)
    play(Run(plan.spec, resume_plan=plan), stop_at=14)
    assert row(tmp_path).state == "stopped"
    again = plan_resume(tmp_path, "1")
    events = play(Run(again.spec, resume_plan=again))
    assert {event.lrs for event in of(StepDone, events)} == {(0.5,)}
    assert stored(tmp_path, 1).status == "done"


def test_a_branch_starts_at_its_parents_checkpoint_and_does_not_change_the_parent(tmp_path: Path) -> None:
    _, parent = recorded_events(tmp_path)
    plan = plan_branch(tmp_path, "1", 2, "ExponentialLR(gamma=0.5)", "rescue")
    run = Run(plan.spec, resume_plan=plan)
    events = play(run)
    assert run.number == 2
    started = of(RunStarted, events)[0]
    assert (started.parent, started.step, started.resumed_from) == ("1", 12, None)
    assert [e.step for e in of(StepDone, events)] == list(range(12, 24))
    assert of(StepDone, events)[0].lrs == (0.01,)
    # the parent's data order: the same switch in the parent itself computes the same
    same = Run(tiny_spec(at=("step 12: ExponentialLR(gamma=0.5)",), store="none"))
    assert numbers(play(same))[12:] == numbers(events)
    child = row(tmp_path, "rescue")
    assert (child.id, child.parent, child.first_step, child.state) == (2, 1, 12, "done")
    assert stored(tmp_path, 2) == folded(events)
    assert stored(tmp_path, 1) == folded(parent)


def test_an_interrupted_branch_is_resumed(tmp_path: Path) -> None:
    recorded_events(tmp_path, epochs=40)
    plan = plan_branch(tmp_path, "1", 2, "ExponentialLR(gamma=0.5)")
    before = play(Run(plan.spec, resume_plan=plan), stop_at=15)
    again = plan_resume(tmp_path, "2")
    after = play(Run(again.spec, resume_plan=again))
    same = play(Run(tiny_spec(at=("step 12: ExponentialLR(gamma=0.5)",), store="none", epochs=40)))
    assert numbers(before) + numbers(after) == numbers(same)[12:]


def test_the_checkpoint_that_a_branch_started_from_is_recorded(tmp_path: Path) -> None:
    run, _ = recorded_events(tmp_path)
    plan = plan_branch(tmp_path, "1", 1, "StepLR(1)")
    play(Run(plan.spec, resume_plan=plan))
    assert run._thread.recording is not None
    assert run._thread.recording.branch_checkpoints() == {plan.file.path.name}


@pytest.mark.parametrize(
    ("words", "settings", "said"),
    [
        ("1", {}, "is done; --epochs N extends it"),
        ("7", {}, "there is no run '7'; a run is an id, a name or last; the newest are 1"),
        ("1", {"schedule": "lr*2", "epochs": 9}, "--schedule takes a schedule"),
    ],
)
def test_a_run_that_cannot_be_resumed_is_refused_with_a_message(
    words: str, settings: dict[str, Any], said: str, tmp_path: Path
) -> None:
    recorded_events(tmp_path)
    with pytest.raises(UsageError) as error:
        plan_resume(tmp_path, words, **settings)
    assert said in str(error.value)


def test_a_branch_from_an_epoch_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    recorded_events(tmp_path, stop_at=15)
    with pytest.raises(UsageError, match=r"no checkpoint from the end of epoch 3; available: epoch 1, 2"):
        plan_branch(tmp_path, "1", 3, "StepLR(1)")


def test_a_run_that_ended_before_its_first_checkpoint_says_so(tmp_path: Path) -> None:
    recorded_events(tmp_path, task=TINY.replace(":Tiny", ":Breaks"))
    with pytest.raises(CheckpointError, match="ended before its first one"):
        plan_resume(tmp_path, "last")


def test_a_refused_resume_supersedes_nothing(tmp_path: Path) -> None:
    _, before = recorded_events(tmp_path, stop_at=15, schedule="OneCycleLR(max_lr=0.1)")
    plan = plan_resume(tmp_path, "1", epochs=8)
    # as if it had been killed after its last checkpoint but one
    earlier = min(plan.file.path.parent.glob("*.pt"))
    seq, step = int(earlier.name.split("-")[0]), int(earlier.stem.split("-")[2])
    plan = replace(plan, file=replace(plan.file, path=earlier, seq=seq, step=step))
    run = Run(plan.spec, resume_plan=plan)
    play(run)
    assert "--schedule" in str(run.error)
    assert stored(tmp_path, 1) == folded(before)


def test_a_run_of_the_cockpit_whose_settings_are_refused_is_not_stored(tmp_path: Path) -> None:
    session, schedule = Session(), 'ReduceLROnPlateau(metric="f1")'
    refused = session.start(tiny_spec(store=str(tmp_path), schedule=schedule))
    with pytest.raises(UsageError, match="follows the test's f1"):
        refused.result()
    assert session.poll() is False
    assert not refused.is_recorded
    assert stored_ids(tmp_path) == []
    assert session.start(tiny_spec(store=str(tmp_path), epochs=2)).result().status == "done"
    plan = plan_branch(tmp_path, "last", 1, schedule)
    branch = session.start(plan.spec, plan)
    with pytest.raises(UsageError, match="follows the test's f1"):
        branch.result()
    assert stored_ids(tmp_path) == [plan.run.id]


def test_a_damaged_checkpoint_is_reported_and_supersedes_nothing(tmp_path: Path) -> None:
    _, before = recorded_events(tmp_path, stop_at=15)
    plan = plan_resume(tmp_path, "1")
    plan.file.path.write_bytes(plan.file.path.read_bytes()[:2000])
    run = Run(plan.spec, resume_plan=plan)
    events = play(run)
    assert isinstance(run.error, CheckpointError)
    assert of(RunFinished, events)[0].outcome == "failed"
    assert stored(tmp_path, 1) == folded(before)


def test_user_files_are_listed_with_digest_and_whether_they_changed(tmp_path: Path) -> None:
    task = tmp_path / "task.py"
    task.write_text(Path(TINY.rpartition(":")[0]).read_text())
    recorded_events(tmp_path / "store", stop_at=8, task=f"{task}:Tiny")
    (line,) = describe_user_files(plan_resume(tmp_path / "store", "last"))
    assert line.startswith(f"runs {task}, sha256 ")
    assert "CHANGED" not in line
    task.write_text(task.read_text() + "\n# another\n")
    (line,) = describe_user_files(plan_resume(tmp_path / "store", "last"))
    assert "CHANGED since the run started" in line


def test_a_store_that_cannot_be_created_is_reported_once_and_training_continues(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run, events = recorded_events(tmp_path / "file" / "store", epochs=1)
    notices = [event.text for event in of(Notice, events) if event.code == "store"]
    assert len(notices) == 1
    assert "this run is not recorded" in notices[0]
    assert run.state.status == "done"
    assert not run.is_recorded


def test_store_none_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run, _ = recorded_events(Path("none"), epochs=1)
    assert not run.is_recorded
    assert not (tmp_path / ".lrtui").exists()


def test_two_runs_of_a_process_never_train_at_once(tmp_path: Path) -> None:
    first = Run(RunSpec(task=TINY, batch_size=16, epochs=1000, schedule="StepLR(1)", store="none")).start()
    with pytest.raises(LrtuiError, match="is still running"):
        Run(tiny_spec(store="none")).start()
    session = Session()
    with pytest.raises(LrtuiError, match="is still running"):
        session.start(tiny_spec(store="none"))
    assert session.runs == []
    first.send("stop")
    first.result()
    assert Run(tiny_spec(store="none")).start().result().status == "done"


def test_a_run_that_is_over_takes_no_commands() -> None:
    run = Run(tiny_spec(store="none", epochs=1)).start()
    run.result()
    assert not run.send("lr*2")


def test_a_newer_store_is_not_changed_and_training_continues(tmp_path: Path) -> None:
    recorded_events(tmp_path, epochs=1)
    # this process has another store open
    import shutil
    import sqlite3

    shutil.copytree(tmp_path, tmp_path / "newer", ignore=shutil.ignore_patterns("newer", "checkpoints"))
    connection = sqlite3.connect(tmp_path / "newer" / "runs.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    run, events = recorded_events(tmp_path / "newer", epochs=1)
    assert any("written by a newer lrtui" in event.text for event in of(Notice, events))
    assert run.state.status == "done"
    with pytest.raises(StoreError, match="newer"):
        row(tmp_path / "newer")


def test_a_run_that_fails_before_training_is_stored_as_failed_and_takes_no_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise ImportError("libtorch is missing")

    monkeypatch.setattr("lrtui.engine.training_thread.import_torch", broken)
    run = Run(tiny_spec(store=str(tmp_path)))
    pause = Pause()
    run.send(pause)
    events = play(run)
    assert [event.command_id for event in of(CommandRefused, events)] == [pause.id]
    assert not run.send(Pause())
    found = row(tmp_path)
    assert (found.state, found.error) == ("failed", "PyTorch can't be imported: libtorch is missing")
    assert stored(tmp_path) == folded(events)


def test_a_run_whose_script_ends_while_torch_is_imported_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tiny_spec(store=str(tmp_path)))

    def interrupted() -> None:
        run.send("stop")
        raise RuntimeError("can't register atexit after shutdown")

    monkeypatch.setattr("lrtui.engine.training_thread.import_torch", interrupted)
    play(run)
    assert (row(tmp_path).state, row(tmp_path).error) == ("stopped", None)


def test_a_run_whose_thread_cannot_be_started_is_stored_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tiny_spec(store=str(tmp_path)))

    def refuse() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(run._thread._thread, "start", refuse)
    with pytest.raises(LrtuiError, match="no thread can be started"):
        run.start()
    assert not run.send("pause")
    assert run._thread.recording is not None
    assert run._thread.recording.commit()
    assert row(tmp_path).state == "failed"


def test_recording_never_blocks_the_thread_that_publishes(tmp_path: Path) -> None:
    recorded_events(tmp_path, stop_at=9)
    run = Run(tiny_spec(), resume_plan=plan_resume(tmp_path, "last"))
    run._thread.open_recording(5.0)
    assert run._thread.recording is not None
    assert run._thread.feed.listener == run._thread.recording.publish == run._thread.recording._recorder.publish


def test_the_end_of_a_run_makes_a_last_attempt_to_write_its_events(tmp_path: Path) -> None:
    def ignore(_: object) -> None:
        """Take a message or a command, and do nothing."""

    recording = Recording.of_new_run(tmp_path, RunSpec(), ignore, ignore, 5.0)
    call = recording._writer.call
    pages = call(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    call(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone())
    events = recorded_run(2000, epochs=40, outcome="done")
    for event in events:
        recording.publish(event)
    assert not recording.commit(30)
    # there is room again, and the next regular attempt would come after the end
    call(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    assert recording.finish() == ""
    assert stored(tmp_path) == folded(events)
