"""`lrtui race`: usage errors, reports, and resuming."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import CommandLine
from race_runs import fake_plan, fake_result, filled
from training_runs import TINY

from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.standing import rank
from lrtui.cli.options import read_number
from lrtui.cli.race import _end_notification
from lrtui.run.errors import UsageError
from lrtui.schedules.catalogue import CATALOGUE

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)")
SETTINGS = ("--task", TINY, "--batch-size", "16", "--epochs", "2", "--seeds", "2")


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "at least two schedules"),
        (["StepLR(3)"], "at least two schedules"),
        (["StepLR(3)", "StepLR(step_size=3)"], "given twice"),
        (["StepLR(3)", "Foo(3)"], "unknown schedule Foo"),
        (["StepLR(3)", "ConstantLR() on Adamm()"], "did you mean Adam"),
        (["StepLR(3)", "ConstantLR() on "], "expected an optimizer after `on`"),
        (["StepLR(3)", "ConstantLR()", "--seeds", "0"], "--seeds takes a whole number of at least 1"),
        (["StepLR(3)", "ConstantLR()", "--seeds", "1e9"], "--seeds takes a whole number of at most 10,000"),
        (["StepLR(3)", "ConstantLR()", "--seeds", "9000"], "too many runs for one race; at most 10,000"),
        (["StepLR(3)", "ConstantLR()", "--seed", str(2**63 - 2)], "--seed takes a whole number of at most"),
        (["StepLR(3)", "ConstantLR()", "--processes", "x"], "--processes takes"),
        (["StepLR(3)", "ConstantLR()", "--processes", "1e6"], "--processes takes a whole number of at most 256"),
        (["StepLR(3)", "ConstantLR()", "--target", "high"], "--target takes"),
        (["StepLR(3)", "ConstantLR()", "--target=-1"], "the target -1.0000 is not an accuracy"),
        (["StepLR(3)", "ConstantLR()", "--target", "90"], "the target 90.0000 is not an accuracy"),
        (["StepLR(3)", "ConstantLR()", "--task", "nowhere"], "unknown task 'nowhere'"),
        (["StepLR(3)", "--resume", "1"], "the race already has its own"),
        (["--resume"], "no races in the store"),
        (["--report", "last"], "no races in the store"),
        (["--resume", "last", "--report", "last"], "not allowed with"),
    ],
)
def test_a_usage_error_stores_nothing(arguments: list[str], message: str, lrtui: CommandLine) -> None:
    answer = lrtui("race", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""
    assert not lrtui.folder.exists()


def test_a_race_needs_a_store(capsys: pytest.CaptureFixture[str]) -> None:
    from lrtui.__main__ import main

    assert main(["race", *SCHEDULES, "--store", "none"]) == 1
    assert "instead of --store none" in capsys.readouterr().err


def test_a_race_ends_with_a_table_a_chart_and_a_verdict(lrtui: CommandLine, tmp_path: Path) -> None:
    answer = lrtui("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path / "race.md"))
    assert answer.status == 0
    assert answer.lines[0].startswith("race 1: 2 schedules, 2 seeds")
    ranks = [line.split()[0] for line in answer.lines[3:5]]
    assert ranks == ["1", "2"]
    assert "baseline" in answer.out
    assert "test accuracy by epoch" in answer.out
    assert any(f"x {SCHEDULES[1]}" == line for line in answer.lines)
    assert "with its 95 % interval" in answer.out
    # progress goes to standard error
    assert "epoch 2/2" in answer.err
    assert "epoch 2/2" not in answer.out
    markdown = (tmp_path / "race.md").read_text()
    assert f"`{SCHEDULES[0]}`" in markdown
    assert markdown.startswith("### race 1")


def test_a_finished_race_is_shown_and_not_repeated(lrtui: CommandLine) -> None:
    first = lrtui("race", *SCHEDULES, *SETTINGS, "--json")
    assert first.status == 0
    for text in (("--report",), ("--report", "1"), ("--resume", "last")):
        again = lrtui("race", *text, "--json")
        assert again.status == 0
        assert again.out == first.out
        assert "epoch" not in again.err
    assert len(lrtui("runs", "list").lines) == 1 + 4


def test_json_has_an_object_per_line(lrtui: CommandLine) -> None:
    answer = lrtui("race", *SCHEDULES, *SETTINGS, "--json", "--quiet", "--target", "0.5")
    records = [json.loads(line) for line in answer.lines]
    assert [record["record"] for record in records] == ["run"] * 4 + ["schedule"] * 2 + ["race"]
    assert {record["state"] for record in records[:4]} == {"done"}
    assert records[-1]["target"] == 0.5
    assert records[-1]["reference"] == SCHEDULES[0]
    ranked = sorted(records[4:6], key=lambda record: record["rank"])
    assert ranked[0]["mean"] >= ranked[1]["mean"]
    assert ranked[0]["label"] == records[-1]["winner"]
    assert answer.err == ""


def test_the_same_command_continues_an_interrupted_race(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.analysis.race.race.Race.run", lambda self: None)
    assert lrtui("race", *SCHEDULES, *SETTINGS).status == 0
    monkeypatch.undo()
    monkeypatch.setenv("LRTUI_STORE", "none")
    again = lrtui("race", *SCHEDULES, *SETTINGS)
    assert "race 1 was interrupted and continues" in again.err
    # it has finished: the same command starts a new race, and so does --new
    assert "race 2: 4 runs" in lrtui("race", *SCHEDULES, *SETTINGS).err


def test_new_starts_a_new_race(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.analysis.race.race.Race.run", lambda self: None)
    lrtui("race", *SCHEDULES, *SETTINGS)
    assert "race 2: 4 runs" in lrtui("race", *SCHEDULES, *SETTINGS, "--new").err


def test_a_race_in_which_all_diverge_exits_with_3(lrtui: CommandLine) -> None:
    text = ("ConstantLR() on SGD(lr=1e30)", "StepLR(3) on SGD(lr=1e30)")
    answer = lrtui("race", *text, *SETTINGS)
    assert answer.status == 3
    assert "diverged" in answer.out
    assert "no schedule is ranked" in answer.out


def test_an_error_in_the_task_is_reported_once(lrtui: CommandLine) -> None:
    answer = lrtui(
        "race", *SCHEDULES, "--task", TINY.replace(":Tiny", ":Breaks"), "--batch-size", "16", "--epochs", "1"
    )
    assert "this loss is broken" in answer.err
    assert answer.status == 1
    assert "Traceback" not in answer.err


def test_a_markdown_file_that_cannot_be_written_does_not_lose_the_race(lrtui: CommandLine, tmp_path: Path) -> None:
    nowhere = lrtui("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path / "no" / "race.md"))
    assert nowhere.status == 2
    assert "there is no such folder" in nowhere.err
    assert not lrtui.folder.exists()
    answer = lrtui("race", *SCHEDULES, *SETTINGS, "--markdown", str(tmp_path))
    assert answer.status == 1
    assert f"lrtui race --report 1 --markdown FILE --store {lrtui.folder} writes it again" in answer.err
    assert lrtui("race", "--report", "--markdown", str(tmp_path / "race.md")).status == 0
    assert (tmp_path / "race.md").read_text().startswith("### race 1")


def test_a_target_can_be_negative_as_a_loss_can() -> None:
    assert read_number("--target", "-1", minimum=-math.inf) == -1.0
    with pytest.raises(UsageError, match="a finite number, not 'nan'"):
        read_number("--target", "nan", minimum=-math.inf)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_mistake_found_at_set_up_is_a_usage_error_and_leaves_no_race(processes: str, lrtui: CommandLine) -> None:
    schedules = [f'ReduceLROnPlateau(patience={patience}, metric="f1")' for patience in (1, 2)]
    answer = lrtui("race", *schedules, *SETTINGS, "--processes", processes)
    assert answer.status == 2
    assert "follows the test's f1" in answer.err
    assert answer.out == ""
    assert "no races" in lrtui("race", "--report").err
    assert "the store has no runs yet" in lrtui("runs", "list").err


def notifications(folder: Path) -> tuple[str, Path]:
    """Return a command that appends its message to a file, and that file."""
    program, said = folder / "notify", folder / "said"
    program.write_text(f'#!/bin/sh\necho "$LRTUI_EVENT $LRTUI_RUN$LRTUI_SCHEDULE: $1" >> {said}\n')
    program.chmod(0o755)
    return str(program), said


def test_a_race_notifies_once_of_its_first_schedule(lrtui: CommandLine, tmp_path: Path) -> None:
    program, said = notifications(tmp_path)
    answer = lrtui("race", *SCHEDULES, *SETTINGS, "--quiet", "--notify", program)
    assert answer.status == 0
    (line,) = said.read_text().splitlines()
    first = answer.lines[3].split()
    assert line == f"done {first[1]}: race 1 done: {first[1]} is first, mean accuracy {first[2]}"
    # nothing is trained
    assert lrtui("race", "--report", "--notify", program).status == 0
    assert lrtui("race", "--resume", "--notify", program).status == 0
    assert len(said.read_text().splitlines()) == 1


def test_a_race_that_fails_notifies_of_the_error(lrtui: CommandLine, tmp_path: Path) -> None:
    program, said = notifications(tmp_path)
    schedules = [f'ReduceLROnPlateau(patience={patience}, metric="f1")' for patience in (1, 2)]
    assert lrtui("race", *schedules, *SETTINGS, "--notify", program).status == 2
    (line,) = said.read_text().splitlines()
    assert line.startswith("failed : race 1 failed: ")
    assert "follows the test's f1" in line


def test_a_command_of_a_race_with_an_unclosed_quote_is_refused_before_training(lrtui: CommandLine) -> None:
    answer = lrtui("race", *SCHEDULES, *SETTINGS, "--notify", "'open")
    assert answer.status == 2
    assert "--notify takes a command" in answer.err
    assert not lrtui.folder.exists()


def test_the_notification_of_an_interrupted_race_says_that_it_stopped() -> None:
    plan = fake_plan(*SCHEDULES, seeds=1, epochs=2)
    standing = rank(plan, filled(plan, [fake_result(plan, 0, [0.5, 0.6])]))
    notification = _end_notification(standing, was_interrupted=True)
    assert notification.event == "stopped"
    assert notification.message == f"{plan.title} stopped: {SCHEDULES[0]} is first so far, accuracy 0.6000"


def test_the_notification_of_a_race_interrupted_before_a_result_says_how_far_it_is() -> None:
    plan = fake_plan(*SCHEDULES, seeds=2, epochs=2)
    standing = rank(plan, filled(plan, [fake_result(plan, 0, [0.5, 0.6])]))
    notification = _end_notification(standing, was_interrupted=True)
    assert notification.message.startswith(
        f"{plan.title} stopped: no schedule is ranked: {SCHEDULES[0]} unfinished 1 of"
    )


def test_all_races_every_scheduler_after_the_given_schedules(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.cli.race.Race.run", lambda race: None)
    lrtui("race", "StepLR(1)", "ConstantLR(factor=1.0)", "--all", *SETTINGS[:-2], "--json", "--quiet")
    plan = PlanFiles.of_store(str(lrtui.folder)).find("last")
    labels = [entrant.label for entrant in plan.entrants]
    assert labels[:2] == ["StepLR(step_size=1)", "ConstantLR(factor=1.0)"]
    # in two epochs, composites become one of their parts
    single = {name for name, entry in CATALOGUE.items() if not entry.composite}
    assert {name for label in labels for name in CATALOGUE if name in label} >= single
    assert len(plan.cells) == len(labels) == len(set(labels)) > 20
    answer = lrtui("race", "--all", "--report", "last")
    assert (answer.status, "take no schedules" in answer.err) == (2, True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=lambda it: str(it))
def test_a_signal_while_the_engine_starts_says_how_to_continue(
    number: int, status: int, lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def slow_to_start(*_: object, **__: object) -> Iterator[None]:
        signal.raise_signal(number)
        time.sleep(60)
        raise AssertionError("it was not interrupted")
        yield

    monkeypatch.setattr("lrtui.cli.race.race_launcher", slow_to_start)
    before = signal.getsignal(number)
    answer = lrtui("race", *SCHEDULES, *SETTINGS)
    assert answer.status == status
    assert "race 1 is stored; lrtui race --resume 1" in answer.err
    assert "no schedule is ranked yet" in answer.out
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    assert lrtui("race", "--resume").status == 0
