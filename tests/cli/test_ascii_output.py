"""Output in ASCII where the terminal has no Unicode."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from command_line import CommandLine

from lrtui.__main__ import prints_data
from lrtui.cli.charts import Curve, print_chart
from lrtui.cli.terminal import replace_signs


def written_in_c_locale(monkeypatch: pytest.MonkeyPatch, write: Callable[[], None]) -> str:
    """Return what a function writes to standard output in the C locale."""
    for name in ("LANG", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    replace_signs(stream)
    with redirect_stdout(stream):
        write()
    stream.seek(0)
    return stream.buffer.read().decode()


def test_a_list_of_runs_in_the_c_locale_is_ascii(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lrtui = CommandLine(tmp_path / "store", capsys)
    lrtui.record(30, outcome="stopped")
    command = [sys.executable, "-m", "lrtui", "runs", "list", "--store", str(lrtui.folder)]
    done = subprocess.run(command, capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    assert done.stdout.isascii()
    assert b"# stopped" in done.stdout


def test_charts_in_the_c_locale_are_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    curve = Curve([0, 1, 2], [0.0, 0.5, 1.0])
    text = written_in_c_locale(monkeypatch, lambda: print_chart([curve], [0, 1, 2], from_zero=True))
    assert text.isascii()
    assert text.count("*") > 20


def test_only_the_signs_that_lrtui_draws_with_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    assert written_in_c_locale(monkeypatch, lambda: print("✓ größe.py ⠒ 実行 …")) == "v größe.py * 実行 .\n"


def test_characters_that_the_encoding_lacks_are_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="latin-1", write_through=True)
    replace_signs(stream)
    print("✓ größe 実", file=stream)
    assert written.getvalue().decode("latin-1") == "v größe \\u5b9f\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "StepLR(1)"], True),
        (["runs", "export", "3"], True),
        (["runs", "code", "3"], True),
        (["runs", "list"], False),
        (["preview", "StepLR(1)"], False),
    ],
)
def test_output_for_other_programs_keeps_its_characters(arguments: list[str], expected: bool) -> None:
    assert prints_data(arguments) is expected
