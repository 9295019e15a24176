"""`lrtui runs list`: its columns, order and filters."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import CommandLine, without_accuracy
from store_runs import ignore, new_recorder
from waiting import SECONDS

from lrtui.__main__ import main
from lrtui.run.events import EvalDone, Event
from lrtui.store.columns import COLUMNS
from lrtui.store.source import StoreSource
from lrtui.store.writer import Writer
from lrtui.text.format import width_of


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


@pytest.fixture
def three(lrtui: CommandLine) -> CommandLine:
    lrtui.record(500, name="base", outcome="done", schedule="StepLR(step_size=1, gamma=0.5)", seed=7)
    lrtui.record(120, name="longer name", outcome="diverged", schedule="OneCycleLR(max_lr=0.003)", seed=3)
    lrtui.record(30, outcome="stopped", epochs=3, schedule="CosineAnnealingLR()", seed=5, optimizer="SGD(lr=0.1)")
    return lrtui


def ids(lrtui: CommandLine, *arguments: str) -> list[int]:
    answer = lrtui("runs", "list", *arguments, "--json")
    assert answer.status == 0, answer.err
    return [json.loads(line)["id"] for line in answer.lines]


def test_the_table_has_the_newest_first_and_aligned_decimal_points(three: CommandLine) -> None:
    answer = three("runs", "list")
    assert answer.status == 0
    assert answer.lines == [
        "id  state       schedule                        epochs    best  test_loss  time  name",
        " 3  ■ stopped   CosineAnnealingLR()               0/3   —          —         1s",
        " 2  ! diverged  OneCycleLR(max_lr=0.003)          2/10  0.8380     0.4009    5s  longer name",
        " 1  ✓ done      StepLR(step_size=1, gamma=0.5)   10/10  0.9283     0.2777   20s  base",
    ]
    assert answer.err == ""


def test_the_best_of_a_run_without_accuracy_is_its_lowest_loss_as_in_the_cockpit(lrtui: CommandLine) -> None:
    lrtui.record(120, outcome="done", edit=without_accuracy)
    heading, row = lrtui("runs", "list").lines
    (record,) = map(json.loads, lrtui("runs", "list", "--json").lines)
    assert record["best_accuracy"] is None
    assert row[heading.index("epochs") :].split()[1] == f"{record['best_loss']:.4f}"
    source = StoreSource(lrtui.folder)
    assert [run.best for run in source.runs()] == [record["best_loss"]]
    source.close()


@pytest.mark.parametrize(("columns", "cut"), [(80, True), (240, False)])
def test_the_table_fits_the_terminal(
    columns: int, cut: bool, three: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])"
    three.record(500, schedule=long, name="実行" * 20, outcome="done")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = three("runs", "list").lines
    assert max(map(width_of, lines)) <= columns
    assert ("SequentialL…" in lines[1]) is cut
    assert (long in lines[1]) is not cut
    # the columns that distinguish the runs are not shortened
    assert [line.split()[:3] for line in lines[1:]] == [
        ["4", "✓", "done"],
        ["3", "■", "stopped"],
        ["2", "!", "diverged"],
        ["1", "✓", "done"],
    ]


def test_a_pipe_gets_the_full_width(three: CommandLine) -> None:
    schedule = f"MultiStepLR({list(range(1, 60))}, gamma=0.9)"
    three.record(500, schedule=schedule, outcome="done")
    assert schedule in three("runs", "list").out


def test_the_json_has_all_columns_in_order(three: CommandLine) -> None:
    answer = three("runs", "list", "--json")
    records = [json.loads(line) for line in answer.lines]
    first = ["id", "name", "state", "schedule", "epochs", "step", "best_accuracy", "parent"]
    assert all(list(record) == list(COLUMNS) for record in records)
    assert list(records[0])[:8] == first
    assert [records[2][name] for name in first] == [
        1, "base", "done", "StepLR(step_size=1, gamma=0.5)", 10, 500, 0.9283, None,
    ]  # fmt: skip
    assert records[2]["lr"] == pytest.approx(0.01 * 0.5**9)
    assert records[2]["data"]["train"] == 3200
    assert records[1]["loss"] is None


@pytest.mark.parametrize("word", [*COLUMNS, "best", "time", "done", "-best", "-created", "-schedule", "-lr"])
def test_every_column_sorts(word: str, three: CommandLine) -> None:
    assert sorted(ids(three, "--sort", word)) == [1, 2, 3]
    assert three("runs", "list", "--sort", word).status == 0


def test_a_minus_reverses_the_order_and_missing_values_come_last(three: CommandLine) -> None:
    assert ids(three, "--sort", "best_accuracy") == [2, 1, 3]
    assert ids(three, "--sort", "-best_accuracy") == [1, 2, 3]
    assert ids(three, "--sort=-seed") == [1, 3, 2]
    assert ids(three, "--sort", "name") == [1, 2, 3]
    assert "lr" in three("runs", "list", "--sort", "lr").lines[0].split()


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["accuracy>0.9"], [1]),
        (["best>=0.8380"], [2, 1]),
        (["state=done"], [1]),
        (["state!=done"], [3, 2]),
        (["schedule~cosine"], [3]),
        (["cosine"], [3]),
        (["cosine state=done"], []),
        (["longer name", "state=diverged"], [2]),
        (["schedule~StepLR(step_size=1, gamma=0.5)"], [1]),
        (["schedule~StepLR(step_size=1, gamma=0.5) state=done"], [1]),
        (["epochs>=5", "seed<5"], [2]),
        (["epochs>=5 seed<5"], [2]),
        (["epochs", ">=", "5"], [2, 1]),
        (["name=longer name"], [2]),
        (['name="longer name" state=diverged'], [2]),
        (["name=longer name state=diverged"], [2]),
        (["name~e"], [2, 1]),
        (["loss<100"], [3, 1]),
        (["loss!=1"], [3, 2, 1]),
        (["accuracy<2"], [2, 1]),
        (["accuracy!=2"], [3, 2, 1]),
        (["optimizer~sgd"], [3]),
        (["created>2020-01-01"], [3, 2, 1]),
        (["created<2020-01-01T12:00"], []),
        (["parent=1"], []),
        (["parent!=1"], [3, 2, 1]),
        (["best-accuracy > 0.9"], [1]),
        (["data~tiny"], [3, 2, 1]),
        (["lr>1e-3"], [3, 2]),
    ],
)
def test_a_run_has_to_meet_all_filters(filters: list[str], expected: list[int], three: CommandLine) -> None:
    assert ids(three, *filters) == expected
    # options may stand anywhere among them
    assert ids(three, *filters[:1], "--sort", "-id", *filters[1:]) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["acuracy>0.9"], "unknown column 'acuracy'; did you mean accuracy? Available: id, name"),
        (["zzz=1"], "unknown column 'zzz'; available: id, name"),
        (["--sort", "sed"], "did you mean seed?"),
        (["--sort", "-"], "unknown column ''"),
        (["accuracy>high"], "accuracy takes a number, not 'high'"),
        (["accuracy>nan"], "accuracy takes a number"),
        (["created>yesterday"], "created takes a date, such as 2026-11-25"),
        (["schedule>3"], "schedule is text"),
        (["state=finished"], "unknown state 'finished'; available: waiting, running"),
        (["=done"], "'=done' is not a filter"),
        (["accuracy>"], "accuracy> has no value"),
    ],
)
def test_usage_errors_are_reported(arguments: list[str], message: str, three: CommandLine) -> None:
    answer = three("runs", "list", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert answer.out == ""


def test_the_number_of_filtered_runs_goes_to_standard_error(three: CommandLine) -> None:
    answer = three("runs", "list", "seed=99")
    assert (answer.status, answer.out, answer.err) == (0, "", "0 of 3 runs\n")


def test_missing_accuracies_and_losses_that_are_not_finite_are_listed(lrtui: CommandLine) -> None:
    def odd(event: Event) -> Event:
        return replace(event, loss=math.nan) if isinstance(event, EvalDone) else event

    lrtui.record(100, edit=without_accuracy, outcome="done")
    lrtui.record(100, edit=odd, outcome="done")
    lrtui.record(100, edit=lambda event: replace(event, loss=math.inf) if isinstance(event, EvalDone) else event)
    assert "inf" in lrtui("runs", "list").lines[1]
    assert [json.loads(line)["test_loss"] for line in lrtui("runs", "list", "--json").lines[:2]] == [None, None]
    assert ids(lrtui, "test_loss<1e9") == [1]
    assert ids(lrtui, "--sort", "-test_loss") == [3, 1, 2]


def test_an_empty_store_prints_a_message(lrtui: CommandLine) -> None:
    writer = Writer(lrtui.folder, ignore)
    writer.call(lambda _: None)
    writer.close(SECONDS)
    answer = lrtui("runs", "list")
    assert (answer.status, answer.out, answer.err) == (0, "", "the store has no runs yet\n")
    assert lrtui("runs", "list", "--json").out == ""


def test_a_missing_store_is_not_created(lrtui: CommandLine) -> None:
    answer = lrtui("runs", "list")
    assert answer.status == 1
    assert "there is no store in" in answer.err
    assert not lrtui.folder.exists()


def test_the_store_none_is_an_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRTUI_STORE", "none")
    assert main(["runs", "list"]) == 1
    assert "--store none is not a store" in capsys.readouterr().err


def test_the_store_of_the_environment_is_listed(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lrtui.record(100, name="from there")
    monkeypatch.setenv("LRTUI_STORE", str(lrtui.folder))
    assert main(["runs", "list"]) == 0
    assert "from there" in capsys.readouterr().out


def test_control_characters_in_a_name_are_escaped(lrtui: CommandLine) -> None:
    odd = "red\x1b[31m \u202eleft\r\nnext\t\x9b ünïcödé 実行"
    lrtui.record(100, name=odd, schedule="StepLR(step_size=1)", outcome="done")
    for arguments in (["list"], ["list", "--json"], ["show", "1"], ["compare", "1", "unknown"]):
        answer = lrtui("runs", *arguments)
        text = (answer.out + answer.err).replace("\n", "")
        assert text.isprintable()
    assert "red\\x1b[31m \\u202eleft\\r\\nnext\\t\\x9b ünïcödé 実行" in lrtui("runs", "list").out


def test_a_run_whose_process_died_is_lost(lrtui: CommandLine) -> None:
    writer = Writer(lrtui.folder, ignore)
    new_recorder(writer)
    assert "… waiting" in lrtui("runs", "list").out
    writer.call(lambda connection: connection.execute("UPDATE runs SET pid_started = '1'"))
    assert "? lost" in lrtui("runs", "list").out
    assert writer.close(SECONDS)


@pytest.mark.parametrize("arguments", [["runs", "lst"], ["runs", "show"], ["runs", "list", "--all"]])
def test_a_wrong_subcommand_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "Try lrtui runs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["list", "show", "compare", "export", "rename", "note", "delete", "gc"])
def test_every_subcommand_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", name, "--help"]) == 0
    assert "--store DIR" in capsys.readouterr().out


def test_runs_alone_lists_the_runs(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lrtui.record(100, name="first")
    monkeypatch.setenv("LRTUI_STORE", str(lrtui.folder))
    capsys.readouterr()
    assert main(["runs"]) == 0
    listed = capsys.readouterr().out
    assert listed == lrtui("runs", "list").out
    monkeypatch.delenv("LRTUI_STORE")
    # the options are those of the list
    assert lrtui("runs").out == listed
    assert json.loads(lrtui("runs", "--json", "--sort", "-id").out)["name"] == "first"
    assert "first" in listed
