"""Output at the width of a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import CommandLine

from lrtui.__main__ import main
from lrtui.cli.command import epilog_lines

LONG = 'CosineAnnealingWarmRestarts(T_0=2, T_mult=2, eta_min=0.0001, per="batch")'


def as_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Make standard output and standard error a terminal of that width."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)


def too_long(text: str, width: int) -> list[str]:
    """Return the lines that do not fit, apart from single words."""
    return [line for line in text.splitlines() if len(line) > width and " " in line.strip()]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize(
    "arguments",
    [
        ["schedulers"],
        ["schedulers", "OneCycleLR"],
        ["keys"],
        ["check", "--explain"],
        ["check", "ExponentialLR(gamma=0.1)", "--batches-per-epoch", "100"],
        ["preview", LONG, "ExponentialLR(gamma=0.1)", "--batches-per-epoch", "10"],
        ["train", "StepLR(3)", "--task", "nowhere"],
        ["race", "--resume", "1", "StepLR(3)"],
    ],
)
def test_lines_fit_the_terminal(
    arguments: list[str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_terminal(monkeypatch, width)
    main(arguments)
    printed = capsys.readouterr()
    assert too_long(printed.out + printed.err, width) == []


@pytest.mark.parametrize("width", [60, 80, 120])
def test_lists_and_pages_of_runs_fit_the_terminal(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lrtui = CommandLine(tmp_path / "store", capsys)
    first = lrtui.record(schedule=LONG, name="a name that is as long as names of runs can become")
    second = lrtui.record(schedule="ExponentialLR(gamma=0.1)")
    as_terminal(monkeypatch, width)
    for arguments in (["runs", "list"], ["runs", "show", str(first)], ["runs", "compare", str(first), str(second)]):
        answer = lrtui(*arguments)
        assert answer.status == 0
        # a tick label of a chart is not cut
        assert too_long(answer.out + answer.err, width) == [], arguments


@pytest.mark.parametrize("command", ["train", "race", "find", "runs export", "runs"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_help_fits_the_terminal(
    command: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    main([*command.split(), "--help"])
    text = capsys.readouterr().out
    # examples are commands, which are not wrapped
    assert [line for line in too_long(text, width) if not line.startswith("  lrtui ")] == []


def test_an_epilog_keeps_its_examples_and_wraps_its_descriptions() -> None:
    epilog = (
        "A long\nparagraph here.\n\nFormats:\n  csv   a row\n        per step\n\nExamples:\n  lrtui train 'StepLR(3)'\n"
    )
    assert list(epilog_lines(epilog, 20)) == [
        "A long paragraph",
        "here.",
        "",
        "Formats:",
        "  csv   a row per",
        "        step",
        "",
        "Examples:",
        "  lrtui train 'StepLR(3)'",
    ]
