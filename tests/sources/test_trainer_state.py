"""Output folders of Trainer are read as one run each, whichever files they have."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from example_counts import examples
from read_logs import ReadLog, as_text, mutated

from lrtui.sources.log import FoundLog
from lrtui.sources.trainer import log_format as trainer_state
from lrtui.sources.trainer import state_file
from lrtui.sources.trainer.log_format import TrainerState, TrainerStateReader

NAN = float("nan")


def history(steps: int, *, every: int = 10, loss: float = 2.0) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for step in range(every, steps + 1, every):
        entries.append(
            {"epoch": step / 50, "grad_norm": NAN, "learning_rate": 1e-3, "loss": loss - step / 1000, "step": step}
        )
        if step % 50 == 0:
            entries.append({"epoch": step / 50, "eval_loss": loss, "eval_runtime": 0.5, "step": step})
    return entries


def state(steps: int, entries: list[dict[str, Any]] | None = None, **changes: Any) -> str:
    whole = {
        "best_metric": None,
        "epoch": steps / 50,
        "global_step": steps,
        "is_world_process_zero": True,
        "log_history": history(steps) if entries is None else entries,
        "logging_steps": 10,
        "max_steps": 200,
        "num_train_epochs": 4,
        "stateful_callbacks": {"TrainerControl": {"args": {"should_training_stop": False}, "attributes": {}}},
        "total_flos": 1.5e12,
        "train_batch_size": 8,
        "trial_name": None,
        "trial_params": None,
    }
    return json.dumps(whole | changes, indent=2, sort_keys=True) + "\n"


def write(folder: Path, text: str, at: float | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "trainer_state.json"
    path.write_text(text, encoding="utf-8")
    if at is not None:
        os.utime(path, (at, at))
    return path


def steps_of(log: ReadLog) -> list[int]:
    return [step for step, _ in log.series["loss"]]


@pytest.fixture
def log(tmp_path: Path) -> ReadLog:
    return ReadLog(TrainerStateReader(tmp_path))


def test_the_history_is_read_with_its_facts(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100))
    series = log.read()
    assert series["loss"] == [(step, 2.0 - step / 1000) for step in range(10, 101, 10)]
    assert series["eval_loss"] == [(50, 2.0), (100, 2.0)]
    assert len(series["grad_norm"]) == 10
    assert set(series) == {"loss", "grad_norm", "learning_rate", "epoch", "eval_loss", "eval_runtime"}
    assert (log.facts.total_steps, log.facts.epochs, log.facts.batches_per_epoch) == (200, 4, 50)
    assert log.facts.settings == {"num_train_epochs": 4, "max_steps": 200, "train_batch_size": 8, "logging_steps": 10}
    assert (log.facts.is_finished, log.facts.name) == (None, None)
    assert (log.reader.trouble, log.reader.has_news()) == ("", False)


def test_the_checkpoint_of_the_largest_step_has_the_history(tmp_path, log):
    for steps in (50, 100, 150):
        write(tmp_path / f"checkpoint-{steps}", state(steps))
    (tmp_path / "checkpoint-200").mkdir()
    assert steps_of(log) if log.read() else list(range(10, 151, 10)) == []


def test_the_file_of_the_output_folder_ends_the_run(tmp_path, log):
    write(tmp_path / "checkpoint-200", state(200))
    log.read()
    write(tmp_path, state(200, [*history(200), {"train_loss": 1.5, "train_runtime": 9.0, "step": 200, "epoch": 4.0}]))
    assert log.reader.has_news()
    assert log.read()["train_loss"] == [(200, 1.5)]
    assert (log.facts.is_finished, log.from_starts, log.parts) == (True, 0, 2)


def test_a_run_that_stopped_early_is_finished(tmp_path, log):
    write(tmp_path, state(100, stateful_callbacks={"TrainerControl": {"args": {"should_training_stop": True}}}))
    log.read()
    assert log.facts.is_finished


def test_a_later_checkpoint_adds_only_what_is_new(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100))
    log.read()
    write(tmp_path / "checkpoint-150", state(150))
    # save_total_limit
    shutil.rmtree(tmp_path / "checkpoint-100")
    part = log.reader.read(60)
    assert not part.from_start
    assert {item.name: len(item) for item in part.items}["loss"] == 5


def test_a_run_started_again_in_the_same_folder_replaces_the_old_one(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100), at=1_000)
    write(tmp_path / "checkpoint-150", state(150), at=2_000)
    log.read()
    write(tmp_path / "checkpoint-50", state(50, history(50, loss=3.0)), at=3_000)
    assert log.read()["loss"] == [(step, 3.0 - step / 1000) for step in range(10, 51, 10)]
    assert log.from_starts == 1


def test_files_copied_in_any_order_are_still_one_run(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100), at=3_000)
    write(tmp_path / "checkpoint-150", state(150), at=1_000)
    log.read()
    assert steps_of(log)[-1] == 150


def test_a_half_written_file_keeps_the_old_values_and_is_read_when_it_is_complete(tmp_path, log, monkeypatch):
    monkeypatch.setattr(trainer_state, "_SETTLED_SECONDS", 1e9)
    write(tmp_path / "checkpoint-100", state(100))
    log.read()
    text = state(150)
    for cut in (0, 1, 200, 800, len(text) - 2):
        write(tmp_path / "checkpoint-150", text[:cut])
        log.read()
        assert steps_of(log) == list(range(10, 101, 10)) or cut > 800
        assert log.reader.trouble == ""
        assert not log.reader.has_news()
    write(tmp_path / "checkpoint-150", text)
    assert log.reader.has_news()
    log.read()
    assert steps_of(log) == list(range(10, 151, 10))
    assert log.from_starts == 0


def test_a_file_that_stays_half_written_is_said_and_read_as_far_as_it_goes(tmp_path, log):
    path = write(tmp_path, state(100)[:1_000], at=1_000)
    log.read()
    assert 0 < len(log.series["loss"]) < 10
    assert log.reader.trouble.startswith(f"{path} can't be read to its end: it ends early")
    assert not log.reader.has_news()


def test_a_damaged_newest_checkpoint_leaves_the_one_before_it(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100), at=1_000)
    damaged = write(tmp_path / "checkpoint-150", "", at=1_000)
    log.read()
    assert steps_of(log) == list(range(10, 101, 10))
    assert str(damaged) in log.reader.trouble


def test_a_folder_whose_files_are_deleted_keeps_its_values(tmp_path, log):
    write(tmp_path / "checkpoint-100", state(100))
    log.read()
    shutil.rmtree(tmp_path / "checkpoint-100")
    assert log.reader.has_news()
    log.read()
    assert len(log.series["loss"]) == 10
    assert log.reader.trouble == f"{tmp_path} has no trainer_state.json any more."


def test_values_are_read_in_parts_when_time_is_short(tmp_path, log):
    write(tmp_path, state(100, history(100_000)))
    log.read(0.0)
    assert log.parts > 10
    assert steps_of(log) == list(range(10, 100_001, 10))


def test_numbers_at_the_ends_of_chunks_are_read_whole(tmp_path, monkeypatch):
    write(tmp_path, state(100))
    whole = ReadLog(TrainerStateReader(tmp_path))
    whole.read()
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(state_file, "_CHUNK_BYTES", size)
        log = ReadLog(TrainerStateReader(tmp_path))
        assert as_text(log.read()) == as_text(whole.series)
        assert log.facts == whole.facts


def test_a_file_that_is_rewritten_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    write(tmp_path, state(100, history(100_000)), at=1_000)
    log = ReadLog(TrainerStateReader(tmp_path))
    assert log.reader.read(0.0).has_more
    write(tmp_path, state(100, history(100_000, loss=5.0)), at=2_000)
    while log.reader.has_news():
        log.read(0.0)
    assert log.series["loss"][0] == (10, 4.99)
    assert steps_of(log) == list(range(10, 100_001, 10))


def test_memory_is_bounded_although_the_file_is_large(tmp_path, monkeypatch):
    monkeypatch.setattr(state_file, "_CHUNK_BYTES", 64 << 10)
    write(tmp_path, state(100, history(100_000)))
    tracemalloc.start()
    reader = TrainerStateReader(tmp_path)
    while reader.read(0.01).has_more:
        pass
    # the entries as objects take 8 MB
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"loss": NAN, "step": 1}, {"loss": [(1, NAN)]}),
        ({"loss": float("inf"), "step": 1}, {"loss": [(1, float("inf"))]}),
        ({"loss": 10**400, "step": 1}, {"loss": [(1, float("inf"))]}),
        ({"loss": 1, "step": 2.0}, {"loss": [(2, 1.0)]}),
        ({"loss": "nan", "done": True, "nested": {"a": 1}, "none": None, "lr": 0.5, "step": 1}, {"lr": [(1, 0.5)]}),
        ({"loss": 1.0, "step": -1}, {}),
        ({"loss": 1.0, "step": 1.5}, {}),
        ({"loss": 1.0, "step": 10**30}, {}),
        ({"loss": 1.0, "step": NAN}, {}),
        ({"loss": 1.0}, {}),
        ([1, 2], {}),
        (None, {}),
    ],
)
def test_odd_entries_are_read_or_left_out(tmp_path, log, entry, expected):
    write(tmp_path, state(1, [entry]))
    assert as_text(log.read()) == as_text(expected)
    left_out = f"{tmp_path / 'trainer_state.json'}: 1 entries of its history have no step, and are left out."
    assert log.reader.trouble == ("" if expected else left_out)


def test_a_history_that_goes_back_restarts(tmp_path, log):
    entries = [{"loss": float(n), "step": step} for n, step in enumerate((10, 20, 30, 20, 30))]
    write(tmp_path, state(30, entries))
    assert log.read()["loss"] == [(10, 0.0), (20, 3.0), (30, 4.0)]


FOREIGN = {
    "empty": "",
    "cut off": "{",
    "list": "[]",
    "number": "1",
    "text": '"a"',
    "no history": "{}",
    "history is no list": '{"log_history": {}}',
    "history is cut off": '{"log_history": [[',
    "deep": "[" * 100_000,
    "deep history": '{"log_history": [' + "[" * 100_000,
    "huge number": '{"a": 1' + "0" * 10_000 + "}",
    "NUL bytes": "\x00" * 1_000,
    "wrong bracket": '{"log_history": [}',
    "byte order mark": "\ufeff{}",
}


@pytest.mark.parametrize("sort", FOREIGN)
def test_a_file_that_is_something_else_is_no_crash(tmp_path, log, sort):
    write(tmp_path, FOREIGN[sort], at=1_000)
    assert log.read() == {}
    assert log.reader.trouble.startswith(f"{tmp_path / 'trainer_state.json'} can't be read to its end: ")


def test_a_log_with_too_many_series_is_read_in_part(tmp_path, log):
    write(tmp_path, state(1, [{f"m{number:04}": 1.0 for number in range(2_500)} | {"step": 1}]))
    assert len(log.read()) == 2_000
    assert ": It has more than 2,000 series: the further ones, such as m2000, are left out." in log.reader.trouble


def test_names_are_cut_and_made_printable(tmp_path, log):
    write(tmp_path, state(1, [{"loss\x1b[31m": 1.0, "x" * 1_000: 2.0, "step": 1}]))
    names = set(log.read())
    assert "loss\\x1b[31m" in names
    assert {len(name) for name in names} == {12, 200}


def test_checkpoints_are_one_run_of_their_output_folder():
    file = ["config.json", "trainer_state.json"]
    find = TrainerState().find
    run = FoundLog("trainer_state", Path("/runs/out"))
    assert list(find(Path("/runs/out/checkpoint-500"), file)) == [run]
    assert list(find(Path("/runs/out/checkpoint-1000"), file)) == [run]
    assert list(find(Path("/runs/out"), file)) == [run]
    assert list(find(Path("/runs/out/tmp-checkpoint-500"), file)) == []
    assert list(find(Path("/runs/out"), ["config.json"])) == []


def test_damaged_files_are_values_or_trouble(tmp_path):
    data = state(100).encode()
    for number, damaged in enumerate(mutated(data, examples(100, deep=5_000), seed=1)):
        path = tmp_path / "trainer_state.json"
        path.write_bytes(damaged)
        os.utime(path, (1_000, 1_000))
        log = ReadLog(TrainerStateReader(tmp_path))
        log.read()
        assert log.series or log.reader.trouble or damaged == data, number
