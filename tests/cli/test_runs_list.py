"""The list of a store's runs: what it shows, in which order, and what filters leave of it."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from asked import Asking, without_accuracy
from kept import begin, nobody

from lrtui.__main__ import main
from lrtui.run.events import EvalDone, Event
from lrtui.store.columns import COLUMNS
from lrtui.store.writer import Writer
from lrtui.text.format import width_of


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asking:
    return Asking(tmp_path / "store", capsys)


@pytest.fixture
def three(ask: Asking) -> Asking:
    ask.keep(500, name="base", outcome="done", schedule="StepLR(step_size=1, gamma=0.5)", seed=7)
    ask.keep(120, name="longer name", outcome="diverged", schedule="OneCycleLR(max_lr=0.003)", seed=3)
    ask.keep(30, outcome="stopped", epochs=3, schedule="CosineAnnealingLR()", seed=5, optimizer="SGD(lr=0.1)")
    return ask


def ids(ask: Asking, *words: str) -> list[int]:
    answer = ask("runs", "list", *words, "--json")
    assert answer.status == 0, answer.err
    return [json.loads(line)["id"] for line in answer.lines]


def test_a_table_has_the_newest_first_and_its_points_below_each_other(three: Asking) -> None:
    answer = three("runs", "list")
    assert answer.status == 0
    assert answer.lines == [
        "id  state       schedule                        epochs    best  test_loss  time  name",
        " 3  ■ stopped   CosineAnnealingLR()               0/3   —          —         1s",
        " 2  ! diverged  OneCycleLR(max_lr=0.003)          2/10  0.8380     0.4009    5s  longer name",
        " 1  ✓ done      StepLR(step_size=1, gamma=0.5)   10/10  0.9283     0.2777   20s  base",
    ]
    assert answer.err == ""


@pytest.mark.parametrize(("columns", "cut"), [(80, True), (240, False)])
def test_on_a_terminal_the_table_is_as_wide_as_that(
    columns: int, cut: bool, three: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])"
    three.keep(500, schedule=long, name="実行" * 20, outcome="done")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = three("runs", "list").lines
    assert max(map(width_of, lines)) <= columns
    assert ("SequentialL…" in lines[1]) is cut
    assert (long in lines[1]) is not cut
    # what tells the runs apart stays whole
    assert [line.split()[:3] for line in lines[1:]] == [
        ["4", "✓", "done"],
        ["3", "■", "stopped"],
        ["2", "!", "diverged"],
        ["1", "✓", "done"],
    ]


def test_a_pipe_gets_all_of_it_however_wide(three: Asking) -> None:
    schedule = f"MultiStepLR({list(range(1, 60))}, gamma=0.9)"
    three.keep(500, schedule=schedule, outcome="done")
    assert schedule in three("runs", "list").out


def test_the_json_has_the_contracts_columns_first_and_then_all_others(three: Asking) -> None:
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
def test_every_column_sorts(word: str, three: Asking) -> None:
    assert sorted(ids(three, "--sort", word)) == [1, 2, 3]
    assert three("runs", "list", "--sort", word).status == 0


def test_a_minus_reverses_and_what_is_missing_comes_last_either_way(three: Asking) -> None:
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
def test_filters_leave_what_meets_them_all(filters: list[str], expected: list[int], three: Asking) -> None:
    assert ids(three, *filters) == expected
    # options may stand anywhere among them
    assert ids(three, *filters[:1], "--sort", "-id", *filters[1:]) == expected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["acuracy>0.9"], "unknown column 'acuracy'; did you mean accuracy? There are id, name"),
        (["zzz=1"], "unknown column 'zzz'; there are id, name"),
        (["--sort", "sed"], "did you mean seed?"),
        (["--sort", "-"], "unknown column ''"),
        (["accuracy>high"], "accuracy takes a number, not 'high'"),
        (["accuracy>nan"], "accuracy takes a number"),
        (["created>yesterday"], "created takes a date, such as 2026-11-25"),
        (["schedule>3"], "schedule is text"),
        (["state=finished"], "unknown state 'finished'; there are waiting, running"),
        (["done"], "'done' is no filter"),
        (["cosine state=done"], "'cosine' is no filter"),
        (["accuracy>"], "accuracy> has no value"),
    ],
)
def test_words_that_are_off_are_refused(words: list[str], said: str, three: Asking) -> None:
    answer = three("runs", "list", *words)
    assert answer.status == 2
    assert said in answer.err
    assert answer.out == ""


def test_what_filters_left_out_is_said_beside_the_data(three: Asking) -> None:
    answer = three("runs", "list", "seed=99")
    assert (answer.status, answer.out, answer.err) == (0, "", "0 of 3 runs\n")


def test_a_run_without_accuracy_and_losses_that_are_not_numbers(ask: Asking) -> None:
    def odd(event: Event) -> Event:
        return replace(event, loss=math.nan) if isinstance(event, EvalDone) else event

    ask.keep(100, edit=without_accuracy, outcome="done")
    ask.keep(100, edit=odd, outcome="done")
    ask.keep(100, edit=lambda event: replace(event, loss=math.inf) if isinstance(event, EvalDone) else event)
    assert "inf" in ask("runs", "list").lines[1]
    assert [json.loads(line)["test_loss"] for line in ask("runs", "list", "--json").lines[:2]] == [None, None]
    assert ids(ask, "test_loss<1e9") == [1]
    assert ids(ask, "--sort", "-test_loss") == [3, 1, 2]


def test_a_store_without_runs_says_so(ask: Asking) -> None:
    Writer(ask.folder, nobody).call(lambda _: None)
    answer = ask("runs", "list")
    assert (answer.status, answer.out, answer.err) == (0, "", "the store has no runs yet\n")
    assert ask("runs", "list", "--json").out == ""


def test_a_store_that_is_not_there_is_not_made(ask: Asking) -> None:
    answer = ask("runs", "list")
    assert answer.status == 1
    assert "there is no store in" in answer.err
    assert not ask.folder.exists()


def test_nothing_is_kept_where_the_store_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRTUI_STORE", "none")
    assert main(["runs", "list"]) == 1
    assert "nothing is stored with --store none" in capsys.readouterr().err


def test_the_store_of_the_environment_is_listed(
    ask: Asking, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask.keep(100, name="from there")
    monkeypatch.setenv("LRTUI_STORE", str(ask.folder))
    assert main(["runs", "list"]) == 0
    assert "from there" in capsys.readouterr().out


def test_no_name_reaches_the_terminal_as_a_command_to_it(ask: Asking) -> None:
    odd = "red\x1b[31m \u202eleft\r\nnext\t\x9b ünïcödé 実行"
    ask.keep(100, name=odd, schedule="StepLR(step_size=1)", outcome="done")
    for words in (["list"], ["list", "--json"], ["show", "1"], ["compare", "1", "nobody"]):
        answer = ask("runs", *words)
        text = (answer.out + answer.err).replace("\n", "")
        assert text.isprintable()
    assert "red\\x1b[31m \\u202eleft\\r\\nnext\\t\\x9b ünïcödé 実行" in ask("runs", "list").out


def test_a_live_run_is_running_and_one_whose_process_died_is_lost(ask: Asking) -> None:
    writer = Writer(ask.folder, nobody)
    begin(writer)
    assert "… waiting" in ask("runs", "list").out
    writer.call(lambda connection: connection.execute("UPDATE runs SET pid_started = '1'"))
    assert "? lost" in ask("runs", "list").out
    assert writer.close()


@pytest.mark.parametrize("words", [["runs"], ["runs", "lst"], ["runs", "show"], ["runs", "list", "--all"]])
def test_a_wrong_subcommand_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "Try lrtui runs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["list", "show", "compare", "export", "rename", "note", "delete", "gc"])
def test_every_subcommand_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", name, "--help"]) == 0
    assert "--store DIR" in capsys.readouterr().out
