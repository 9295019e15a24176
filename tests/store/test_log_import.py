"""Runs that are imported from logs: what is stored, shown, replaced and refused."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded_runs import recorded_run
from store_runs import folded, stored

from lrtui.__main__ import main
from lrtui.engine.resume import plan_resume
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.events import EpochDone, EvalDone, Notice, RunStarted
from lrtui.run.feed import FeedItem, StepBlock
from lrtui.run.source import LogDescription, RecognizedSeries, run_started
from lrtui.run.spec import LOG, RunSpec
from lrtui.store.connection import open_for_reading
from lrtui.store.log_import import RunOfLog, import_run
from lrtui.store.reader import all_runs, find_run
from lrtui.store.run_export import json_lines, stored_events
from lrtui.store.source import StoreSource


def found(path: str = "/logs/run_1", **values: object) -> RunOfLog:
    series = (RecognizedSeries("loss", "train/loss", "named as a training loss"), RecognizedSeries("lr", "lr-Adam"))
    log = LogDescription("tensorboard", path, series, {"layers": 18})
    return RunOfLog(log, "run_1", created=1_000.0, finished=1_060.0, **values)  # type: ignore[arg-type]


def started(path: str = "/logs/run_1", groups: int = 1) -> RunStarted:
    return run_started(
        spec=RunSpec(task=f"{LOG}:{path}", schedule="", epochs=1),
        group_names=[f"group {group}" for group in range(groups)],
        group_lrs=[math.nan] * groups,
    )


def block(first: int, count: int, seq: int, *, every: int = 1, groups: int = 1) -> StepBlock:
    """Return steps with a loss and a metric at every `every`th."""
    steps = np.arange(first, first + count)
    logged = np.where(steps % every == 0, 1.0, np.nan)
    return StepBlock(
        first_step=first,
        seqs=seq + np.arange(count),
        epochs=np.ones(count, dtype=np.int64),
        batches=steps,
        seconds=steps / 10.0,
        loss=logged / (1.0 + steps),
        lrs=tuple(np.full(count, 0.1 / (1 + group)) for group in range(groups)),
        metrics={"grad": logged * steps},
    )


def items(groups: int = 1) -> list[FeedItem]:
    """Return a log of every tenth step with two tests, and blocks whose lengths are no multiples of a summary's."""
    test = EvalDone(
        seq=301, step=300, seconds=30.0, epoch=1, loss=0.5, accuracy=0.8, metrics={"f1": 0.7}, seconds_taken=0.0
    )
    return [
        started(groups=groups),
        block(0, 300, 1, every=10, groups=groups),
        test,
        block(300, 411, 302, every=10, groups=groups),
        replace(test, seq=713, step=711, seconds=71.0, accuracy=0.75),
        Notice(seq=714, step=711, seconds=71.0, level="warning", code="log", text="events.1 ends in half a record"),
    ]


def shown(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("groups", [1, 3])
def test_an_imported_run_folds_to_the_same_state_in_full_and_summarized(tmp_path: Path, groups: int) -> None:
    assert import_run(tmp_path, found(), items(groups)) == 1
    expected = folded([])
    expected.fold(items(groups))
    for state in (stored(tmp_path, in_full=None), stored(tmp_path, in_full=100)):
        assert (state.status, state.step, state.elapsed) == ("done", 711, 71.0)
        assert [test.accuracy for test in state.evaluations] == [0.8, 0.75]
        pairs = [(state.loss, expected.loss), (state.metrics["grad"], expected.metrics["grad"])]
        for series, same in [*pairs, *zip(state.lrs, expected.lrs, strict=True)]:
            edges = np.array([0, 256, 512, 711])
            mine, theirs = series.summary(edges), same.summary(edges)
            for name in ("low", "high", "mean"):
                np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name))
    assert len(stored(tmp_path).loss) == 711


def test_single_steps_are_stored_like_blocks(tmp_path: Path) -> None:
    events = recorded_run(700, outcome="stopped", groups=2)
    run = import_run(tmp_path, found(), events)
    with closing(open_for_reading(tmp_path)) as connection:
        exported = list(json_lines(stored_events(connection, run)))
        row = find_run(connection, str(run))
    assert exported == list(json_lines(events))
    assert (row.state, row.name, row.spec.is_log) == ("stopped", "run_1", False)


def test_a_second_import_replaces_the_run_and_keeps_its_number_and_its_name(tmp_path: Path) -> None:
    import_run(tmp_path, found("/logs/other"), items()[:2])
    first = import_run(tmp_path, found(), items()[:3])
    with closing(open_for_reading(tmp_path)) as connection:
        before = find_run(connection, str(first))
    assert main(["runs", "rename", str(first), "mine", "--store", str(tmp_path)]) == 0
    assert import_run(tmp_path, found(outcome="stopped"), items()) == first
    with closing(open_for_reading(tmp_path)) as connection:
        after = find_run(connection, str(first))
        assert len(all_runs(connection)) == 2
    assert (before.step, before.state, before.accuracy, before.name) == (300, "done", 0.8, "run_1")
    assert (after.step, after.state, after.accuracy, after.name) == (711, "stopped", 0.75, "mine")
    assert (after.created, after.finished, after.best_accuracy) == (1_000.0, 1_060.0, 0.8)
    # a log that was rewritten may have fewer steps
    import_run(tmp_path, found(), items()[:2], name="shorter")
    assert (stored(tmp_path, first).step, stored(tmp_path, first).evaluations) == (300, [])
    with closing(open_for_reading(tmp_path)) as connection:
        last = find_run(connection, "shorter")
    assert (last.accuracy, last.best_accuracy, last.test_loss) == (None, None, None)


def test_an_error_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    def broken() -> Iterator[FeedItem]:
        yield from items()[:2]
        raise LrtuiError("the log is gone")

    import_run(tmp_path, found(), items())
    with pytest.raises(LrtuiError, match="the log is gone"):
        import_run(tmp_path, found(), broken())
    assert stored(tmp_path).step == 711
    with pytest.raises(LrtuiError, match="run_1 has no values"):
        import_run(tmp_path, found(), [])


def test_only_what_is_known_is_listed_shown_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRTUI_STORE", str(tmp_path))
    import_run(tmp_path, found(), items())
    import_run(tmp_path, found("/logs/run_2"), items(2))
    row = json.loads(shown("runs", "list", "--json", capsys=capsys).splitlines()[0])
    known = {name for name, value in row.items() if value not in (None, {}, [], "")}
    unknown = {
        "batch_size",
        "seed",
        "optimizer",
        "precision",
        "device",
        "git_commit",
        "directory",
        "versions",
        "epochs",
    }
    assert not known & unknown
    assert row["log"]["recognized"][0] == {
        "meaning": "loss",
        "name": "train/loss",
        "reason": "named as a training loss",
    }
    table = shown("runs", "list", capsys=capsys)
    assert "—" in table.splitlines()[1]
    page = shown("runs", "show", "1", capsys=capsys)
    assert page.startswith("#1 run_1: ✓ done, 711 steps, 1m11s")
    for text in ("format    tensorboard", "loss      train/loss: named as a training loss", "settings  layers 18"):
        assert text in page
    for text in ("optimizer", "process", "parameters", "Adam(", "\nsettings"):
        assert text not in page
    compared = shown("runs", "compare", "1", "2", capsys=capsys)
    assert compared.startswith("#1 run_1: ✓ done, 711 steps, 1m11s")
    assert "None" not in compared
    assert "optimizer" not in compared


@pytest.fixture
def without_lr_times_and_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imports two logs of losses and tests, the last loss of which is not finite."""
    monkeypatch.setenv("LRTUI_STORE", str(tmp_path))
    for path in ("/logs/run_1", "/logs/run_2"):
        steps = block(0, 20, 1, every=10)
        steps.loss[10] = math.inf
        test = EvalDone(seq=21, step=19, seconds=0.0, epoch=1, loss=0.5, accuracy=None, metrics={}, seconds_taken=0.0)
        ended = EpochDone(seq=22, step=19, seconds=0.0, epoch=1, lrs=(math.nan,), samples_per_second=math.nan)
        nothing = np.full(20, np.nan)
        import_run(
            tmp_path,
            found(path),
            [started(path), replace(steps, seconds=np.zeros(20), lrs=(nothing,)), test, ended],
        )


@pytest.mark.usefixtures("without_lr_times_and_epochs")
def test_what_a_log_does_not_have_is_empty_in_an_export(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown("runs", "export", "1", capsys=capsys).splitlines()
    assert [lines[0], lines[1], lines[2], lines[11]] == [
        "step,epoch,batch,seconds,loss,lr,grad",
        "0,,,,1.0,,0.0",
        "1,,,,,,",
        "10,,,,nan,,10.0",
    ]


@pytest.mark.usefixtures("without_lr_times_and_epochs")
def test_tests_of_a_log_without_epochs_and_times_are_called_tests(capsys: pytest.CaptureFixture[str]) -> None:
    page = shown("runs", "show", "1", capsys=capsys)
    assert page.splitlines()[0] == "#1 run_1: ✓ done, 20 steps"
    assert "\nlr at each test\n  test " in page
    assert "epoch" not in page
    compared = shown("runs", "compare", "1", "2", capsys=capsys)
    assert compared.splitlines()[0] == "#1 run_1: ✓ done, 20 steps"
    assert "\ntest loss at equal tests\n  test " in compared
    assert "epoch" not in compared
    listed = shown("runs", "list", "--sort", "loss", capsys=capsys).splitlines()
    assert " nan " in listed[1]


def test_an_imported_run_is_not_resumed_and_takes_no_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import_run(tmp_path, found(), items())
    with pytest.raises(
        UsageError, match=r"#1 run_1 was imported from the log /logs/run_1: only the program that wrote"
    ):
        plan_resume(tmp_path, "1")
    assert main(["branch", "1", "--at-epoch", "1", "StepLR(3)", "--store", str(tmp_path)]) == 2
    assert "imported from the log" in capsys.readouterr().err
    assert main(["send", "1", "pause", "--store", str(tmp_path)]) != 0
    assert "#1 run_1 was imported from a log and takes no commands" in capsys.readouterr().err
    source = StoreSource(tmp_path)
    (summary,) = source.runs()
    assert summary.log is not None
    assert summary.log.format == "tensorboard"
    assert "imported from a log" in summary.read_only
    source.close()


@pytest.mark.deep
def test_a_million_steps_are_imported_in_seconds(tmp_path: Path) -> None:
    def feed() -> Iterator[FeedItem]:
        yield started()
        for first in range(0, 1_000_000, 20_000):
            yield block(first, 20_000, 1 + first)

    begun = time.process_time()
    import_run(tmp_path, found(), feed())
    assert time.process_time() - begun < 30
