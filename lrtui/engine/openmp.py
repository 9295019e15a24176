"""How the threads of OpenMP, on which PyTorch computes, wait for their next piece of work.

libgomp lets an idle thread spin for 300,000 rounds, which are milliseconds, before it sleeps
(gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html). A process that is alone on a machine saves the time to wake it
up; two PyTorch processes on the same cores spend most of their time spinning while the other one has work to do.
`benchmarks/contention.py` measures both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

SPIN_COUNT = 10_000
"""Rounds that a thread spins: longer than the pauses within a batch, and too short to hold up another process."""

CHOICES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""Environment variables by which a user sets how threads wait."""


def limit_spinning(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let idle threads sleep soon, in this process and those that it starts, unless the user has set how they wait.

    libgomp reads the variable when it is loaded: this has no effect once torch is imported.
    """
    if not any(name in environment for name in CHOICES):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)


def spins_briefly(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether idle threads sleep soon, by the environment; a spin count takes precedence over a wait policy."""
    count = environment.get("GOMP_SPINCOUNT")
    if count is not None:
        return count.strip().isdecimal() and int(count) <= SPIN_COUNT
    return environment.get("OMP_WAIT_POLICY", "").strip().lower() == "passive"
