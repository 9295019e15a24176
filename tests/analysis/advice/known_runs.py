"""The runs of known kind, read from the table beside this file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lrtui.run.spec import RunSpec

TABLE = Path(__file__).with_name("known_runs.txt")


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run and what is to be said of it.

    Args:
        name: of its file.
        expected: codes of the advice that must come; none for a run that there is nothing to say of.
        also_right: codes that would be no false alarm either.
        task: of small_tasks.
        spec: its settings.
        because: why that is what it is.
    """

    name: str
    expected: frozenset[str]
    also_right: frozenset[str]
    task: str
    spec: RunSpec = field(repr=False)
    because: str


def _read(line: str) -> KnownRun:
    name, codes, task, optimizer, epochs, schedule, because, *more = (part.strip() for part in line.split(" | "))
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
    words = [word for word in codes.split() if word != "-"]
    also = frozenset(word.strip("()") for word in words if word.startswith("("))
    return KnownRun(name, frozenset(words) - {f"({code})" for code in also}, also, task, spec, because)


KNOWN_RUNS = [_read(line) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
