"""What the README says is what the program does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SNAPSHOTS = ROOT / "tests" / "tui" / "__snapshots__" / "test_snapshots"


def test_the_table_of_keys_is_the_programs_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "--markdown"]) == 0
    assert capsys.readouterr().out.strip() in README


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_it(command: str) -> None:
    assert f"lrtui {command}" in README or f"`{command}`" in README


@pytest.mark.parametrize(
    ("picture", "snapshot"),
    [("cockpit", "test_cockpit[120x36-switched]"), ("picker", "test_picker[120x36-switched]")],
)
def test_its_pictures_are_those_of_the_tests(picture: str, snapshot: str) -> None:
    assert (ROOT / "assets" / f"{picture}.svg").read_text() == (SNAPSHOTS / f"{snapshot}.svg").read_text()
