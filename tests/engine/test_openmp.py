"""Idle threads sleep soon, unless the user has set how they wait."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lrtui.engine.openmp import CHOICES, SPIN_COUNT, limit_spinning, spins_briefly

SHOW = "import os, sys; from lrtui.__main__ import main; main(['keys']); sys.exit(os.environ.get('GOMP_SPINCOUNT'))"


def spin_count_of_a_process(**variables: str) -> str:
    """Return the spin count that a process has set once a command has begun."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOICES} | variables
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr.strip()


def test_a_command_limits_the_spinning_of_its_threads() -> None:
    assert spin_count_of_a_process() == str(SPIN_COUNT)


@pytest.mark.parametrize("name", CHOICES)
def test_what_the_user_has_set_stays(name: str) -> None:
    environment = {name: "PASSIVE", "HOME": "/"}
    limit_spinning(environment)
    assert environment == {name: "PASSIVE", "HOME": "/"}


def test_what_the_user_has_set_reaches_the_process() -> None:
    assert spin_count_of_a_process(GOMP_SPINCOUNT="5") == "5"


@pytest.mark.parametrize(
    ("environment", "briefly"),
    [
        ({}, False),
        ({"GOMP_SPINCOUNT": str(SPIN_COUNT)}, True),
        ({"GOMP_SPINCOUNT": "300000"}, False),
        ({"GOMP_SPINCOUNT": "INFINITE"}, False),
        ({"OMP_WAIT_POLICY": "passive"}, True),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, False),
        ({"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300000"}, False),
    ],
)
def test_whether_threads_spin_briefly_follows_from_the_environment(environment: dict[str, str], briefly: bool) -> None:
    assert spins_briefly(environment) == briefly
