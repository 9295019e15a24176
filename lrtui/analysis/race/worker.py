"""One run of a race in a child process: `python -m lrtui.analysis.race.worker`.

The first line of standard input describes the run; a later line stops it. The end of standard input means that the race
has ended, and saves and stops the run. Standard output has all events except steps.
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

ABANDONED = "the process of the race ended"


def main() -> int:
    """Run the order in the first line and return the exit status."""
    # unbuffered: a thread that waits in a buffered stream aborts the interpreter at exit
    lines, out = open(0, "rb", buffering=0, closefd=False), sys.stdout  # noqa: SIM115
    order = json.loads(lines.readline())
    # output of the task must not mix with the events
    with contextlib.redirect_stdout(sys.stderr):
        try:
            run = _start(order, out)
        except LrtuiError as error:
            _say(out, {"trouble": "", "refused": str(error)})
            return 1
        # daemon: it may wait for a line forever
        threading.Thread(target=_listen, args=(run, lines), name="lifeline", daemon=True).start()
        while run.is_live:
            _say_events(run, out)
            run.join(POLL_SECONDS)
        _say_events(run, out)
    _say(out, {"trouble": run.unrecorded, "refused": str(run.error) if run.error else ""})
    return 0


def _start(order: dict[str, Any], out: TextIO) -> Run:
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
    # the reader is gone; the end of standard input stops the run
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(record, allow_nan=False), file=out, flush=True)


def _listen(run: Run, lines: Iterable[bytes]) -> None:
    for line in lines:
        run.send(Stop(json.loads(line)["stop"]))
    run.send(Stop(ABANDONED))


if __name__ == "__main__":
    sys.exit(main())
