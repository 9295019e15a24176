"""Usage errors: exit status 2, a message on standard error, and nothing on standard output."""

from __future__ import annotations

import json
from typing import NoReturn

import pytest

from lrtui.__main__ import COMMANDS, main
from lrtui.actions import ACTIONS
from lrtui.opening import Opening
from lrtui.plugins import BUILT_IN
from lrtui.run.spec import RunSpec
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.tasks.datasets import DataSet, cache_directory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tran"], "did you mean train"),
        (["trian", "StepLR(3)", "--json"], "did you mean train"),
        (["--epochs", "3", "train", "StepLR(3)"], "the command comes before its options"),
        (["step-lr"], "did you mean StepLR"),
        (["StepLr"], "did you mean StepLR"),
        (["StepLR"], "write StepLR("),
        (["StepLR()"], "needs step_size"),
        (["train"], "SCHEDULE"),
        (["train", "Foo(1)"], "unknown schedule Foo"),
        (["train", "StepLR(3)", "--optimizer", "Adamm()"], "did you mean Adam"),
        (["train", "StepLR(3)", "--epochs", "0"], "--epochs takes a whole number of at least 1"),
        (["train", "StepLR(3)", "--epochs", "x"], "--epochs takes a whole number"),
        (["train", "StepLR(3)", "--device", "tpu"], "--device takes auto, cpu, cuda, mps"),
        (
            ["train", "StepLR(3)", "--epoch", "3"],
            "(Did you mean one of: '--epochs', '--nproc'?)",
        ),
        (["train", "StepLR(3)", "--task", "nowhere"], "unknown task 'nowhere'"),
        (["StepLR(3)", "--task", "nowhere"], "unknown task 'nowhere'"),
        (["preview", "StepLR(3)", "--task", "nowhere", "--train-samples", "64"], "unknown task 'nowhere'"),
        (["StepLR(3)", "--colour"], "No such option '--colour'"),
        (["preview", "StepLR(3)", "--batches-per-epoch", "0"], "--batches-per-epoch takes"),
        (["preview", "StepLR(3)", "--epochs", "1000000"], "too many to list"),
        (["runs", "lst"], "No such command 'lst'; did you mean list?"),
        (["schedulers", "OneCycle"], "did you mean OneCycleLR"),
        (["suggest", "--processes", "1e6"], "--processes takes a whole number of at most 256"),
        (["suggest", "--budget", "1e9"], "--budget must be a number of full runs above 0 and at most 1,000"),
        (["find", "--steps", "1e6"], "--steps takes a whole number of at most 10,000"),
        (["find", "--batch-size", "9999999"], "--batch-size takes a whole number of at most 1,000,000"),
        (["train", "StepLR(3)", "--train-samples", "9" * 30], "--train-samples takes a whole number of at most"),
        (["train", "StepLR(3)", "--test-samples", "9" * 30], "--test-samples takes a whole number of at most"),
        (["resume", "last", "--epochs", "1e30"], "--epochs takes a whole number of at most 1,000,000"),
        (["branch", "last", "StepLR(3)", "--at-epoch", "1e30"], "--at-epoch takes a whole number of at most 1,000,000"),
        (["resume", "last", "--from-step", "1e300"], "--from-step takes a whole number of at most"),
        (
            ["code", "StepLR(3)", "--at", "epoch 2: lr*0.5", "--epochs", "1000000", "--batches-per-epoch", "1000"],
            "1,000,000,000 steps are too many to simulate",
        ),
    ],
)
def test_usage_errors_are_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""


def test_an_error_in_a_schedule_has_a_caret_under_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "StepLR(step_sise=3)"])
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "StepLR(step_sise=3)"
    assert lines[2].startswith("       ^ StepLR has no argument step_sise")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [("TERM", "dumb", "according to TERM"), ("TERM", "xterm", "lrtui train works anywhere")],
)
def test_the_cockpit_does_not_open_without_a_terminal(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert main([]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["StepLR(3)"]])
def test_the_cockpit_opens_with_the_settings_and_starts_a_given_schedule(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[RunSpec, bool]] = []

    def run_cockpit(spec: RunSpec, settings: object, opening: Opening, *, in_ascii: bool, watcher: object) -> NoReturn:
        opened.append((spec, opening.starts))
        # the process ends there
        raise SystemExit(143)

    monkeypatch.setattr("lrtui.__main__.check_terminal", lambda: None)
    monkeypatch.setattr("lrtui.tui.app.run_cockpit", run_cockpit)
    with pytest.raises(SystemExit, match="143"):
        main([*arguments, "--epochs", "1,000", "--optimizer", "SGD(lr=0.1)"])
    expected = RunSpec(epochs=1000, optimizer="SGD(lr=0.1)", **({"schedule": arguments[0]} if arguments else {}))
    assert opened == [(expected, bool(arguments))]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_describes_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([word for word in (command, "--help") if word]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in (COMMANDS if not command else [command]))


def test_schedulers_lists_and_explains_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schedulers"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(CATALOGUE)
    for name, entry in CATALOGUE.items():
        assert main(["schedulers", name]) == 0
        text = capsys.readouterr().out
        assert all(parameter.name in text for parameter in entry.parameters)
    assert main(["schedulers", "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["name"] for record in records] == list(CATALOGUE)


def test_keys_lists_all_actions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--markdown"]) == 0
    text = capsys.readouterr().out
    assert all(f"`{action.shown}`" in text and action.help in text for action in ACTIONS)


def test_info_shows_versions_devices_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    printed = capsys.readouterr()
    assert "torch " in printed.out
    assert "auto uses" in printed.out
    assert "bundled sample" in printed.out
    assert str(cache_directory()) in printed.out


class TaskWithData:
    """A task whose data is an archive that isn't on this machine."""

    data_set = DataSet(name="Numbers", files={"numbers.tar": ""}, urls=(), folder="Numbers", read=str)
    model = training_data = test_data = loss = len


def test_info_lists_the_registered_tasks_and_their_data(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = {"fashion-mnist": BUILT_IN["lrtui.tasks"]["fashion-mnist"], "numbers": f"{__name__}:TaskWithData"}
    monkeypatch.setitem(BUILT_IN, "lrtui.tasks", {**tasks, "broken": "no_such_package:Task"})
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["tasks", "broken,", "fashion-mnist,", "numbers"] for line in lines)
    data = [line.partition("data ")[2].strip() for line in lines if line.startswith("data")]
    assert data[0].startswith("unknown: broken (no_such_package) can't be loaded")
    assert data[1:] == [
        "Fashion-MNIST not found: the first run downloads it, or uses the bundled sample",
        "Numbers not found: the first run downloads it",
    ]
