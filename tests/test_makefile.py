"""The Makefile: what `make run` installs, and what it says meanwhile."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def planned(folder: Path, target: str) -> str:
    """Return the commands that make would run in a new checkout."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    result = subprocess.run(["make", "-n", target], cwd=folder, capture_output=True, text=True, check=True)
    return result.stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_run_says_what_it_installs_and_leaves_the_development_tools_out(tmp_path: Path) -> None:
    commands = planned(tmp_path, "run")
    assert "6 GB" in commands
    assert "minutes" in commands
    assert "[dev]" not in commands
    assert "--quiet" not in commands
    assert "[dev]" in planned(tmp_path, "test")
