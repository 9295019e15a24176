"""`lrtui train`: a run without a screen."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from lrtui.cli.exit_codes import DIVERGED, FAILED, HUNG_UP, INTERRUPTED, TERMINATED, exit_code
from lrtui.cli.options import add_run_options, check_notations, read_spec
from lrtui.cli.printer import Printer, summary_lines
from lrtui.run.commands import Stop
from lrtui.run.errors import NotationError
from lrtui.session import Run, Session

NAME, HELP = "train", "train without a screen, printing the tutorial's lines"

EPILOG = """\
standard output has, and is, the tutorial's lines (or JSON objects); everything else goes to standard error.

exit status: 0 done, 1 failed, 2 the words are off, 3 the loss diverged, 130 interrupted (Ctrl-C: after the batch
under way; a second one: at once), 143 terminated, 129 hung up

examples:
  lrtui train "ExponentialLR(gamma=0.1)"
  lrtui train "OneCycleLR(max_lr=0.003)" --precision bf16
  lrtui train "StepLR(step_size=3, gamma=0.5)" --optimizer "SGD(lr=0.1, momentum=0.9)" --json > run.jsonl
"""

SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}

POLL_SECONDS = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedule", metavar="SCHEDULE", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser)
    parser.add_argument("--json", action="store_true", help="print every event as a JSON object, one a line")
    parser.add_argument("--quiet", action="store_true", help="print test results, warnings and errors only")


def main(namespace: argparse.Namespace) -> int:
    """Train, and return the exit status."""
    spec = read_spec(namespace, namespace.schedule)
    check_notations(spec)
    printer = Printer(as_json=namespace.json, quiet=namespace.quiet, log_interval=spec.log_interval)
    run = Session().start(spec)
    caught = _stop_on_signals(run)
    try:
        while run.is_live:
            _print_events(run, printer)
            run.join(POLL_SECONDS)
        _print_events(run, printer)
    except BrokenPipeError:
        # whoever read our output has gone: `| head` is no failure
        run.send(Stop())
        _leave_if_stuck(run, INTERRUPTED)
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - lives until the interpreter's last flush
        return 0
    return _close(run, printer, caught)


def _print_events(run: Run, printer: Printer) -> None:
    while events := run.poll():
        for event in events:
            printer.print(event)


def _stop_on_signals(run: Run) -> list[int]:
    """Stop the run at the first signal, and the process at the second; return the list that signals are put into."""
    caught: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if caught:
            os._exit(SIGNALS[signal.Signals(number)])
        caught.append(number)
        run.send(Stop())

    for number in SIGNALS:
        signal.signal(number, handle)
    return caught


def _leave_if_stuck(run: Run, status: int) -> None:
    """Leave the process at once where the training thread does not end: inside torch it would abort it."""
    if not run.join(30):
        os._exit(status)


def _close(run: Run, printer: Printer, caught: list[int]) -> int:
    outcome = run.state.outcome
    if outcome is None:
        printer.warn("the training thread ended without a word")
        return FAILED
    if isinstance(run.error, NotationError):
        printer.warn(f"lrtui train: {run.error.explain()}")
        return exit_code(outcome.outcome, run.error)
    for line in summary_lines(run.state):
        if outcome.error:
            printer.warn(line)
        else:
            printer.say(line)
    status = exit_code(outcome.outcome, run.error)
    if status not in (FAILED, DIVERGED) and caught:
        return SIGNALS[signal.Signals(caught[0])]
    return status
