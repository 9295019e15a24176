"""Runs for which the right advice is known, read from the table in known_runs.txt."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lrtui.run.spec import RunSpec

TABLE = Path(__file__).with_name("known_runs.txt")


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run and the advice that is right for it.

    Args:
        name: name of its recording.
        expected: codes of the advice that must be given; empty for a healthy run.
        accepted: further codes that would not be a false alarm.
        task: name of a class in small_tasks.
        spec: settings of the run.
        reason: why that advice is right.
    """

    name: str
    expected: frozenset[str]
    accepted: frozenset[str]
    task: str
    spec: RunSpec = field(repr=False)
    reason: str


def _read(line: str) -> KnownRun:
    name, codes, task, optimizer, epochs, schedule, reason, *more = (part.strip() for part in line.split(" | "))
    settings = dict(setting.split("=", 1) for setting in more)
    spec = RunSpec(
        schedule=schedule,
        optimizer=optimizer,
        epochs=int(epochs),
        batch_size=int(settings.get("batch_size", 50)),
        at=(settings["at"],) if "at" in settings else (),
        device="cpu",
        task=f"small_tasks:{task}",
        store="none",
    )
    listed = [code for code in codes.split() if code != "-"]
    accepted = frozenset(code.strip("()") for code in listed if code.startswith("("))
    return KnownRun(name, frozenset(listed) - {f"({code})" for code in accepted}, accepted, task, spec, reason)


KNOWN_RUNS = [_read(line) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
