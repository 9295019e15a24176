"""`lrtui watch` without the cockpit, `lrtui import`, and what they hand to the cockpit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from command_line import CommandLine

from lrtui.__main__ import main
from lrtui.opening import Opening
from lrtui.run.spec import RunSpec
from lrtui.store.location import DATABASE


def rows(count: int) -> Iterator[dict[str, float]]:
    for step in range(count):
        yield {"step": step, "train/loss": 2 * math.exp(-step / 30), "lr": 0.1 * 0.95**step, "grad_norm": 1 + step / 10}
        if step % 25 == 24:
            yield {"step": step, "val/loss": 1 / (step + 1), "val/acc": 0.9 - 1 / (step + 10), "eval_runtime": 3.1}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder with two logs."""
    folder = tmp_path / "logs"
    for name, count in (("a/train.jsonl", 100), ("b/train.jsonl", 50)):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows(count)))
    return folder


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def test_logs_are_printed_with_what_was_recognized_and_their_results(logs: Path, lrtui: CommandLine) -> None:
    answer = lrtui("watch", str(logs), "--headless")
    assert (answer.status, answer.err) == (0, "")
    assert answer.lines[0].split() == ["run", "format", "state", "steps", "loss", "test_loss", "best_acc", "lr", "time"]
    table = {line.split()[0]: line.split() for line in answer.lines[1:3]}
    assert table["a/train.jsonl"][1:5] == ["jsonl", "●", "running", "100"]
    text = " ".join(answer.out.split())
    assert "loss train/loss: named as a training loss" in text
    assert "metrics eval_runtime, grad_norm" in text
    assert "best accuracy 0.8908, loss 0.01, at step 99" in text
    # only watching writes nothing
    assert not (lrtui.folder / DATABASE).exists()


def test_the_json_has_an_object_for_each_run(logs: Path, lrtui: CommandLine) -> None:
    answer = lrtui("watch", str(logs), "--json", "--only", "val*")
    runs = {run["run"]: run for run in map(json.loads, answer.lines)}
    assert sorted(runs) == ["a/train.jsonl", "b/train.jsonl"]
    run = runs["a/train.jsonl"]
    assert (run["format"], run["step"], run["last"]["step"], run["metrics"]) == ("jsonl", 100, 99, {})
    assert {each["meaning"]: each["name"] for each in run["recognized"]} == {
        "loss": "train/loss",
        "test_loss": "val/loss",
        "accuracy": "val/acc",
        "lr": "lr",
    }
    mapped = json.loads(lrtui("watch", str(logs / "b"), "--json", "--map", "loss=grad_norm", "--map", "lr=-").lines[0])
    assert mapped["loss"] == pytest.approx(5.9)
    assert "train/loss" in mapped["metrics"]
    assert all(each["meaning"] != "lr" for each in mapped["recognized"])


def test_that_steps_are_counted_is_said(tmp_path: Path, lrtui: CommandLine) -> None:
    path = tmp_path / "far.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n{"step": 1000000000000, "loss": 0.4}\n')
    text = "The steps of this log are negative, too large or too far apart: those with a value are counted from 0."
    assert f"notice {text}" in " ".join(lrtui("watch", str(path), "--headless").out.split())
    assert json.loads(lrtui("watch", str(path), "--json").lines[0])["notices"] == [text]


@pytest.mark.parametrize("command", ["watch", "import"])
def test_paths_and_mappings_that_can_not_be_used_are_refused(command: str, logs: Path, lrtui: CommandLine) -> None:
    for arguments, status, message in (
        (("nowhere",), 2, "there is no nowhere"),
        (("nowhere", "neither"), 2, "none of these exists: nowhere, neither"),
        ((str(logs), "--map", "los=x"), 2, "there is no los"),
        ((str(logs.parent / "empty"),), 1, "no logs were found in"),
    ):
        (logs.parent / "empty").mkdir(exist_ok=True)
        answer = lrtui(command, *arguments)
        assert answer.status == status
        assert message in answer.err
        assert answer.out == ""


def test_imported_logs_are_runs_of_the_store_and_are_exported_as_they_were(logs: Path, lrtui: CommandLine) -> None:
    answer = lrtui("import", str(logs))
    assert answer.lines == [
        f"imported {logs}/a/train.jsonl as run #1 (still being written: import it again later)",
        f"imported {logs}/b/train.jsonl as run #2 (still being written: import it again later)",
    ]
    assert lrtui("import", str(logs / "b"), "--name", "short").out.endswith(
        "run #2 (still being written: import it again later)\n"
    )
    listed = {run["id"]: run for run in map(json.loads, lrtui("runs", "list", "--json").lines)}
    assert {key: run["name"] for key, run in listed.items()} == {1: "a/train.jsonl", 2: "short"}
    assert (listed[1]["step"], listed[1]["best_accuracy"]) == (100, pytest.approx(0.9 - 1 / 109))
    exported = lrtui("runs", "export", "1", "--format", "csv").lines
    header = exported[0].split(",")
    assert header == ["step", "epoch", "batch", "seconds", "loss", "lr", "grad_norm"]
    values = [dict(zip(header, line.split(","), strict=True)) for line in exported[1:]]
    logged = [row for row in rows(100) if "lr" in row]
    assert [float(row["loss"]) for row in values] == [row["train/loss"] for row in logged]
    assert [float(row["lr"]) for row in values] == [row["lr"] for row in logged]
    assert [float(row["grad_norm"]) for row in values] == [row["grad_norm"] for row in logged]
    assert lrtui("import", str(logs), "--name", "two").err.startswith(
        "lrtui import: --name names one run, but there are 2"
    )
    assert lrtui("runs", "delete", "1", "--yes").status == 0


def test_on_a_terminal_the_cockpit_opens_on_the_logs(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[RunSpec, Opening]] = []

    def run_cockpit(spec: RunSpec, settings: object, opening: Opening, *, in_ascii: bool, watcher: object) -> NoReturn:
        opened.append((spec, opening))
        raise SystemExit(0)

    monkeypatch.setattr("lrtui.cli.watch.why_no_cockpit", lambda: "")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("lrtui.tui.app.run_cockpit", run_cockpit)
    with pytest.raises(SystemExit):
        main(["watch", str(logs), "--only", "grad*", "--only", "!*bias", "--store", str(tmp_path / "store")])
    ((spec, opening),) = opened
    assert (spec.store, opening.starts) == (str(tmp_path / "store"), False)
    assert opening.watched is not None
    assert (opening.watched.paths, opening.watched.only) == ((str(logs),), "grad* !*bias")
    (source,) = opening.watched.open()
    assert source.name == str(logs)
    source.close()


def test_an_export_of_lrtui_is_imported_with_all_its_events(tmp_path: Path, lrtui: CommandLine) -> None:
    lrtui.record(330, name="mine", outcome="done", nudge_at=130)
    exported = lrtui("runs", "export", "1", "--format", "json").out
    (tmp_path / "run.jsonl").write_text(exported)
    assert lrtui("import", str(tmp_path / "run.jsonl"), "--name", "copy").status == 0
    assert lrtui("runs", "export", "2", "--format", "json").out == exported
    first, second = (json.loads(lrtui("runs", "list", "--json", f"id={number}").out) for number in (1, 2))
    same = ("schedule", "state", "step", "best_accuracy", "test_loss", "loss", "lr", "epochs", "batch_size", "seconds")
    assert [first[name] for name in same] == [second[name] for name in same]
