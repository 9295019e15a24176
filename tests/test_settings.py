"""The settings file: taken as far as it is right, its faults told with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.__main__ import main
from lrtui.settings import UserSettings, read_settings, settings_path, write_template


def read(tmp_path: Path, text: str) -> UserSettings:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return read_settings(path)


def test_no_file_is_no_fault(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "none.toml")
    assert settings == UserSettings(tmp_path / "none.toml")


def test_the_template_says_nothing_yet(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.toml"
    write_template(path)
    assert read_settings(path) == UserSettings(path, exists=True)


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        """
theme = "nord"
bell = true
ascii = false
[run]
epochs = 3
batch-size = 32
optimizer = "SGD(lr=0.1)"
at = ["epoch 2: lr*0.5", "epoch 3: undo"]
[keys]
pause = "p"
""",
    )
    assert settings.faults == ()
    assert (settings.theme, settings.bell, settings.ascii) == ("nord", True, False)
    assert settings.run == {
        "epochs": 3,
        "batch_size": 32,
        "optimizer": "SGD(lr=0.1)",
        "at": ("epoch 2: lr*0.5", "epoch 3: undo"),
    }
    assert settings.keys == {"pause": "p"}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("\nbell = 1", 2, "bell is true or false"),
        ("bells = true", 1, "there is no setting 'bells'"),
        ("run = 3", 1, "run is a table"),
        ("[run]\nepochs = 0", 2, "whole number of at least 1"),
        ("[run]\n\nepochs = true", 3, "--epochs takes"),
        ("[run]\nspeed = 1", 2, "there is no run option 'speed'"),
        ('[run]\noptimizer = "Adam("', 2, ""),
        ('[run]\nat = "epoch 2: undo"', 2, "a list of texts"),
        ('[keys]\npause = "r"', 2, "the key 'r' is given to restart and to pause"),
        ('[keys]\nfly = "f"', 2, "there is no action 'fly'"),
        ("[keys]\npause = 3", 2, "a key is text"),
    ],
)
def test_a_fault_names_its_line_and_leaves_the_rest(tmp_path: Path, text: str, line: int, words: str) -> None:
    settings = read(tmp_path, text)
    (fault,) = settings.faults
    assert f"some.toml, line {line}: " in fault
    assert words in fault


def test_a_file_that_is_no_toml_is_told_and_not_taken(tmp_path: Path) -> None:
    settings = read(tmp_path, "theme = 'nord'\nbell = yes")
    assert settings.theme is None
    assert "line 2" in settings.faults[0]


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "can't be read" in read_settings(path).faults[0]


def test_train_takes_the_defaults_and_tells_faults(capsys: pytest.CaptureFixture[str]) -> None:
    settings_path().write_text('bells = true\n[run]\ntask = "nowhere"\n')
    assert main(["train", "StepLR(3)"]) == 2
    said = capsys.readouterr().err
    assert "there is no setting 'bells'" in said
    assert "nowhere" in said


def test_words_come_before_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    settings_path().write_text('[run]\ntask = "nowhere"\n')
    assert main(["train", "StepLR(3)", "--task", "elsewhere"]) == 2
    said = capsys.readouterr().err
    assert "elsewhere" in said
    assert "nowhere" not in said
