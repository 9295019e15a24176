"""The user's own files that a run's settings name: they are run with it, and it matters whether they have changed."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_schedule


def user_files(spec: RunSpec) -> dict[str, str]:
    """Return the SHA-256 of each file that the task and the schedule come from, by path; nothing of them is run.

    A file that is not there has "missing".
    """
    named = [spec.task.rpartition(":")[0]]
    # words that are off are told where the run reads them
    with suppress(LrtuiError):
        named += [schedule.user_path or "" for schedule in parse_schedule(spec.schedule).walk()]
    return {name: _digest(Path(name).expanduser()) for name in named if name.endswith(".py")}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
