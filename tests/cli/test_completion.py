"""Shell completion: what lrtui answers to bash, zsh and fish."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import CommandLine

from lrtui.__main__ import COMMANDS, main
from lrtui.schedules.catalogue import CATALOGUE


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    monkeypatch.setenv("LRTUI_STORE", str(tmp_path / "store"))
    return CommandLine(tmp_path / "store", capsys)


def complete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], line: str, shell: str = "bash"
) -> list[str]:
    """Return the completions of the last word of a command line."""
    arguments = line.split(" ")
    monkeypatch.setenv("_LRTUI_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", arguments[-1] if shell == "fish" else str(len(arguments) - 1))
    capsys.readouterr()
    assert main([]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    if shell == "zsh":
        # type, value and help in a line each
        return printed.out.splitlines()[1::3]
    return [row.partition(",")[2].partition("\t")[0] for row in printed.out.splitlines() if row]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lrtui ra", {"race"}),
        ("lrtui run --head", {"--headless"}),
        ("lrtui attach-snippet l", {"lightning"}),
        ("lrtui wat", {"watch"}),
        ("lrtui watch runs --on", {"--only"}),
        ("lrtui import runs --map l", {"loss=", "lr="}),
        ("lrtui cos", {"CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CosineWithLinearTail"}),
        ("lrtui --bat", {"--batch-size"}),
        ("lrtui StepLR --check", {"--checkpoint-seconds"}),
        ("lrtui train --prec", {"--precision"}),
        ("lrtui train --precision b", {"bf16"}),
        ("lrtui train --task fash", {"fashion-mnist"}),
        ("lrtui preview StepLR OneC", {"OneCycleLR"}),
        ("lrtui schedulers OneC", {"OneCycleLR"}),
        ("lrtui runs ren", {"rename"}),
        ("lrtui runs export 1 --format t", {"tensorboard"}),
        ("lrtui runs list --so", {"--sort"}),
        ("lrtui runs --so", {"--sort"}),
        ("lrtui runs --sort id --js", {"--json"}),
        ("lrtui runs l", {"list"}),
        ("lrtui nonsense --qui", set()),
    ],
)
def test_commands_schedulers_options_and_choices_are_completed(
    shell: str, line: str, expected: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(complete(monkeypatch, capsys, line, shell)) == expected


def test_the_first_word_is_a_command_or_a_scheduler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(monkeypatch, capsys, "lrtui ") == [*COMMANDS, *CATALOGUE]


@pytest.mark.parametrize("line", ["resume", "branch", "send", "runs show", "runs compare 1", "preview StepLR --run"])
def test_runs_are_completed_by_id_and_name(
    line: str, lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lrtui.record(10, name="first try")
    lrtui.record(10)
    assert complete(monkeypatch, capsys, f"lrtui {line} ") == ["last", "2", "1", "first try"]
    assert complete(monkeypatch, capsys, f"lrtui {line} f") == ["first try"]


def test_runs_of_a_given_store_are_completed(
    lrtui: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    CommandLine(tmp_path / "other", capsys).record(10, name="elsewhere")
    assert complete(monkeypatch, capsys, f"lrtui resume --store {tmp_path / 'other'} e") == ["elsewhere"]


def test_without_a_store_no_run_is_completed_and_none_is_made(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(monkeypatch, capsys, "lrtui resume ") == []
    assert not lrtui.folder.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed_and_parses(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_LRTUI_COMPLETE", f"{shell}_source")
    assert main([]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert "_LRTUI_COMPLETE" in script.read_text()
    assert main(["--help"]) == 0
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(script)], check=True)
