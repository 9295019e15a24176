"""One run of a race in a process of its own, started by the race as `python -m lrtui.analysis.race.worker`.

The first line of standard input says what is to be run; later ones may stop it, and so does their end: the process
that races is gone then, and the run is saved for whoever goes on. Standard output has the events but for the steps.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from lrtui.engine.resume import plan_resume
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.event_json import event_to_json, spec_from_json
from lrtui.run.events import Event, StepDone

POLL_SECONDS = 0.05

ABANDONED = "the race's process ended"


def main() -> int:
    """Run what the first line says, and return the exit status."""
    # unbuffered: a thread that waits in a buffered stream aborts the interpreter at its end
    lines, out = open(0, "rb", buffering=0, closefd=False), sys.stdout  # noqa: SIM115
    order = json.loads(lines.readline())
    # what a task prints is no event
    with contextlib.redirect_stdout(sys.stderr):
        try:
            run = _begin(order, out)
        except LrtuiError as error:
            _say(out, {"trouble": "", "refused": str(error)})
            return 1
        # daemon: it waits for lines that may never come
        threading.Thread(target=_listen, args=(run, lines), name="lifeline", daemon=True).start()
        while run.is_live:
            _say_events(run, out)
            run.join(POLL_SECONDS)
        _say_events(run, out)
    _say(out, {"trouble": run.unrecorded, "refused": str(run.error) if run.error else ""})
    return 0


def _begin(order: dict[str, Any], out: TextIO) -> Run:
    spec, resumes = spec_from_json(order["spec"]), order["resumes"]
    resume_plan = None if resumes is None else plan_resume(Path(order["folder"]), str(resumes))
    run = Run(spec if resume_plan is None else resume_plan.spec, resume_plan=resume_plan).start()
    if run.is_recorded:
        _say(out, {"run": run.number})
    for part in resume_plan.history if resume_plan else ():
        if isinstance(part, Event) and not isinstance(part, StepDone):
            _say(out, event_to_json(part))
    return run


def _say_events(run: Run, out: TextIO) -> None:
    while events := run.poll():
        for event in events:
            if not isinstance(event, StepDone):
                _say(out, event_to_json(event))


def _say(out: TextIO, record: object) -> None:
    # whoever read is gone: the end of standard input says so as well, and stops the run
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(record, allow_nan=False), file=out, flush=True)


def _listen(run: Run, lines: Iterable[bytes]) -> None:
    for line in lines:
        run.send(Stop(json.loads(line)["stop"]))
    run.send(Stop(ABANDONED))


if __name__ == "__main__":
    sys.exit(main())
