"""Logs under a path as a run source."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from memory_log import MemoryFormat, points

from lrtui.run.errors import LrtuiError
from lrtui.run.state import RunState
from lrtui.sources.log import LogFacts, Restart
from lrtui.sources.meaning import read_mapping
from lrtui.sources.recorded_values import KEPT
from lrtui.sources.source import LogSource, open_logs


@pytest.fixture
def memory() -> MemoryFormat:
    return MemoryFormat()


def opened(path: Path, memory: MemoryFormat) -> LogSource:
    (source,) = open_logs([path], formats=[memory])
    return source


def state_of(source: LogSource, key: str) -> RunState:
    state, feed = RunState(), source.feed(key)
    source.read_all()
    while items := feed.take(20_000):
        state.fold(items)
    return state


def test_runs_have_the_figures_of_their_logs(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "a" / "one.mem")
    log.add("train/loss", range(100), [2.0 - step / 100 for step in range(100)], [1e9 + step for step in range(100)])
    log.add("lr", range(0, 100, 50), [0.1, 0.01])
    log.add("val/loss", [49, 99], [0.7, 0.8])
    log.add("val/acc", [49, 99], [0.5, 0.6])
    log.facts = LogFacts(name="first", epochs=4, settings={"seed": 3})
    source = opened(tmp_path, memory)
    (run,) = source.read_all()
    assert (run.id.source, run.id.key) == (str(tmp_path), "a/one.mem")
    assert (run.step, run.seconds, run.epochs_done, run.epochs, run.created) == (99, 99.0, 2, 4, 1e9)
    assert (run.best_loss, run.best_accuracy, run.name) == (0.7, 0.6, "first")
    assert run.lrs == (0.1,) * 16 + (0.01,) * 16
    assert run.log is not None
    assert {each.meaning: each.name for each in run.log.recognized}["loss"] == "train/loss"
    assert run.log.settings == {"seed": 3}
    assert run.spec is not None
    assert run.spec.script == str(tmp_path / "a" / "one.mem")
    assert "read-only" in run.read_only
    # the same object while nothing changes
    assert source.runs() is source.runs()


def test_a_run_grows(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.add("train/loss", range(10), [1.0] * 10)
    source, state = opened(tmp_path, memory), RunState()
    source.runs()
    feed = source.feed("one.mem")
    state.fold(feed.take(100))
    log.add("train/loss", range(10, 20), [0.5] * 10)
    (run,) = source.runs()
    assert (run.step, run.state) == (19, "running")
    state.fold(feed.take(100))
    assert (state.step, state.loss.last) == (20, 0.5)


def test_values_of_runs_that_are_not_open_are_not_kept(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.add("train/loss", range(10_000), [1.0] * 5_000 + [0.1] + [1.0] * 4_999)
    log.add("grad_norm", range(10_000), [1.0] * 10_000)
    source = opened(tmp_path, memory)
    source.read_all()
    kept = source.log("one.mem")
    assert kept.is_thin
    assert sum(map(len, kept.series.values())) <= KEPT + 3
    # an opened one is read again, and keeps them
    feed = source.feed("one.mem")
    source.read_all()
    assert len(source.log("one.mem").series["grad_norm"]) == 10_000
    del feed
    log.add("train/loss", [10_000], [0.5])
    (run,) = source.runs()
    assert run.step == 10_000
    assert source.log("one.mem").is_thin
    assert state_of(source, "one.mem").loss[5_000] == 0.1


def test_a_sample_is_shown_until_everything_is_read(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.sample = [points("train/loss", [0, 500, 999], [3.0, 2.0, 1.0])]
    log.most = 1
    for start in range(0, 1_000, 250):
        log.add("train/loss", range(start, start + 250), [1.0] * 250)
    source, state = opened(tmp_path, memory), RunState()
    source._finder.search(float("inf"))
    source._take_found()
    feed = source.feed("one.mem")
    watched = source._watched("one.mem")
    assert watched.sample()
    state.fold(feed.take(20_000))
    assert (state.step, state.loss[500], watched.figures.step) == (1_000, 2.0, 999)
    for _ in range(3):
        watched.refresh(1.0)
        assert feed.take(20_000) == []
    watched.refresh(1.0)
    state.fold(feed.take(20_000))
    assert state.loss.values.tolist() == [1.0] * 1_000


def test_the_first_call_returns_a_sample_and_the_next_ones_read_on(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "large.mem")
    log.sample = [points("train/loss", [0, 500, 999], [3.0, 2.0, 1.0])]
    log.add("train/loss", range(2_000), [1.0] * 2_000)
    memory.create(tmp_path / "small.mem").add("train/loss", range(10), [1.0] * 10)
    source = opened(tmp_path, memory)
    assert {run.id.key: run.step for run in source.runs()} == {"large.mem": 999, "small.mem": 9}
    assert not source.is_read
    assert {run.id.key: run.step for run in source.runs()} == {"large.mem": 1999, "small.mem": 9}
    assert source.is_read


def test_a_rewritten_log_replaces_the_values(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.add("train/loss", range(10), [1.0] * 10)
    source, state = opened(tmp_path, memory), RunState()
    source.runs()
    feed = source.feed("one.mem")
    state.fold(feed.take(100))
    log.rewrite(points("loss", range(5), [3.0] * 5))
    source.runs()
    state.fold(feed.take(100))
    assert state.loss.values.tolist() == [3.0] * 5
    log.items.append(Restart(0))
    source.runs()
    state.fold(feed.take(100))
    assert len(state.loss) == 0


def test_logs_appear_and_disappear(tmp_path: Path, memory: MemoryFormat) -> None:
    source = opened(tmp_path / "logs", memory)
    assert source.runs() == []
    assert source.trouble == f"there is no {tmp_path / 'logs'}"
    memory.create(tmp_path / "logs" / "one.mem").add("loss", [0], [1.0])
    assert [run.id.key for run in source.read_all()] == ["one.mem"]
    assert source.trouble == ""
    (tmp_path / "logs" / "one.mem").unlink()
    assert source.read_all() == []
    with pytest.raises(LrtuiError, match=r"no log one\.mem"):
        source.feed("one.mem")


def test_the_trouble_of_logs_is_told(tmp_path: Path, memory: MemoryFormat) -> None:
    for name in ("one.mem", "two.mem"):
        memory.create(tmp_path / name).trouble = f"{tmp_path / name}: damaged at byte 7"
    source = opened(tmp_path, memory)
    assert len(source.read_all()) == 2
    assert source.trouble == f"{tmp_path / 'one.mem'}: damaged at byte 7 (1 more like this)"


def test_a_mapping_decides_what_series_mean(tmp_path: Path, memory: MemoryFormat) -> None:
    memory.create(tmp_path / "one.mem").add("objective", [0, 1], [2.0, 1.0])
    (source,) = open_logs([tmp_path], read_mapping(["loss=objective"]), formats=[memory])
    source.read_all()
    assert state_of(source, "one.mem").loss.values.tolist() == [2.0, 1.0]


def test_paths_that_are_given_twice_have_one_source(tmp_path: Path, memory: MemoryFormat) -> None:
    memory.create(tmp_path / "logs" / "one.mem")
    memory.create(tmp_path / "logs" / ".old" / "two.mem")
    paths = [tmp_path / "logs", tmp_path / "logs" / "one.mem", tmp_path / "logs" / ".." / "logs"]
    sources = open_logs([*paths, tmp_path / "logs" / ".old"], formats=[memory])
    assert [source.path for source in sources] == [tmp_path / "logs", tmp_path / "logs" / ".old"]
    assert [run.id.key for source in sources for run in source.read_all()] == ["one.mem", "two.mem"]


def test_a_path_can_be_a_file(tmp_path: Path, memory: MemoryFormat) -> None:
    memory.create(tmp_path / "one.mem").add("loss", [0], [1.0])
    memory.create(tmp_path / "two.mem")
    source = opened(tmp_path / "one.mem", memory)
    assert [run.id.key for run in source.read_all()] == ["one.mem"]


def test_a_log_that_has_not_grown_for_a_while_is_done(tmp_path: Path, memory: MemoryFormat) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.add("loss", range(10), [1.0] * 10, [100.0 * step for step in range(10)])
    os.utime(tmp_path / "one.mem", (1e9, 1e9))
    source = opened(tmp_path, memory)
    (run,) = source.read_all()
    assert run.state == "done"
    log.add("loss", [10], [1.0], [1_000.0])
    (run,) = source.runs()
    assert run.state == "running"
    log.facts = LogFacts(is_finished=True)
    (run,) = source.runs()
    assert run.state == "done"


@pytest.mark.parametrize(
    "name", ["events.out.tfevents.1", "trainer_state.json", "run-a.wandb", "metrics.csv", "train.jsonl"]
)
def test_a_pipe_that_is_named_as_a_log_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    (source,) = open_logs([tmp_path / name])
    reader = threading.Thread(target=source.read_all, daemon=True)
    reader.start()
    reader.join(120)
    assert not reader.is_alive()
    assert all("can't be read" in text or "has no" in text for text in source.troubles)


def test_logs_are_not_looked_at_again_while_no_change_is_reported(
    tmp_path: Path, memory: MemoryFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = memory.create(tmp_path / "one.mem")
    log.add("loss", range(3), [3.0, 2.0, 1.0])
    source = opened(tmp_path, memory)
    monkeypatch.setattr("lrtui.sources.source.reports_changes", lambda path: True)
    monkeypatch.setattr("lrtui.sources.source.FileWatch.watch", lambda self, folders: None)
    monkeypatch.setattr("lrtui.sources.source.REPORTED", 60.0)
    source.watch(lambda: None)
    source.read_all()
    (before,) = source.runs()
    log.add("loss", [3], [0.5])
    assert source.runs() == [before]
    # as the file system reports it
    source._changed(False)
    (after,) = source.runs()
    assert (before.step, after.step) == (2, 3)
    source.close()
