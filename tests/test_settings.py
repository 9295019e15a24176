"""The settings file: valid settings are used, errors are reported with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from lrtui.__main__ import main
from lrtui.settings import TEMPLATE, UserSettings, read_settings, save_theme, settings_path, write_template


def read(tmp_path: Path, text: str) -> UserSettings:
    path = tmp_path / "some.toml"
    path.write_text(text)
    return read_settings(path)


def test_a_missing_file_is_not_an_error(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "none.toml")
    assert settings == UserSettings(tmp_path / "none.toml")


def test_the_template_changes_no_setting(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.toml"
    write_template(path)
    assert read_settings(path) == UserSettings(path, exists=True)


def test_valid_settings_are_read(tmp_path: Path) -> None:
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
pause = "w"
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
    assert settings.keys == {"pause": "w"}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\nbell = 1", 2, "bell must be true or false"),
        ("notify = 'say \"'", 1, "--notify takes a command"),
        ("bells = true", 1, "unknown setting 'bells'"),
        ("run = 3", 1, "run must be a table"),
        ("[run]\nepochs = 0", 2, "whole number of at least 1"),
        ("[run]\n\nepochs = true", 3, "--epochs takes"),
        ("[run]\nspeed = 1", 2, "unknown run option 'speed'"),
        ('[run]\noptimizer = "Adam("', 2, ""),
        ('[run]\nat = "epoch 2: undo"', 2, "a list of strings"),
        ('[keys]\npause = "r"', 2, "the key 'r' is assigned to restart and to pause"),
        ('[keys]\nfly = "f"', 2, "unknown action 'fly'"),
        ("[keys]\npause = 3", 2, "a key must be a string"),
    ],
)
def test_an_error_names_its_line_and_keeps_the_rest(tmp_path: Path, text: str, line: int, message: str) -> None:
    settings = read(tmp_path, text)
    (fault,) = settings.faults
    assert f"some.toml, line {line}: " in fault
    assert message in fault


def test_a_file_that_is_not_toml_is_reported_and_ignored(tmp_path: Path) -> None:
    settings = read(tmp_path, "theme = 'nord'\nbell = yes")
    assert settings.theme is None
    assert "line 2" in settings.faults[0]


def test_a_binary_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert "can't be read" in read_settings(path).faults[0]


def test_train_uses_the_defaults_and_reports_errors(capsys: pytest.CaptureFixture[str]) -> None:
    settings_path().write_text('bells = true\n[run]\ntask = "nowhere"\n')
    assert main(["train", "StepLR(3)"]) == 2
    said = capsys.readouterr().err
    assert "unknown setting 'bells'" in said
    assert "nowhere" in said


def test_options_override_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    settings_path().write_text('[run]\ntask = "nowhere"\n')
    assert main(["train", "StepLR(3)", "--task", "elsewhere"]) == 2
    said = capsys.readouterr().err
    assert "elsewhere" in said
    assert "nowhere" not in said


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, 'theme = "nord"\n'),
        ('bell = true\ntheme="dracula"\n[keys]\n', 'bell = true\ntheme = "nord"\n[keys]\n'),
        ('# theme = "x"\n[run]\n# theme = 1\n', 'theme = "nord"\n[run]\n# theme = 1\n'),
        ("[run]\nepochs = 3\n", 'theme = "nord"\n[run]\nepochs = 3\n'),
    ],
)
def test_a_theme_is_saved_and_all_other_lines_are_kept(tmp_path: Path, before: str | None, after: str) -> None:
    path = tmp_path / "lrtui" / "settings.toml"
    if before is not None:
        path.parent.mkdir()
        path.write_text(before)
    save_theme(path, "nord")
    assert path.read_text() == after
    assert read_settings(path).theme == "nord"


def test_a_theme_is_saved_in_the_template(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    write_template(path)
    save_theme(path, "nord")
    assert read_settings(path).theme == "nord"
    assert len(path.read_text().splitlines()) == len(TEMPLATE.splitlines())
