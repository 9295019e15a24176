"""`lrtui train`: a run without a screen."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from types import FrameType

from lrtui.cli.deaf_stream import give_up
from lrtui.cli.exit_codes import DIVERGED, DONE, FAILED, HUNG_UP, INTERRUPTED, TERMINATED, exit_code
from lrtui.cli.options import add_run_options, check_words, read_spec
from lrtui.cli.printer import Printer, summary_lines
from lrtui.run.commands import Stop
from lrtui.run.errors import NotationError
from lrtui.session import Run, Session

EPILOG = """\
standard output has, and is, the tutorial's lines (or JSON objects); everything else goes to standard error.

exit status: 0 done, 1 failed, 2 the words are off, 3 the loss diverged, 130 interrupted (Ctrl-C: after the batch
under way; a second one: at once), 143 terminated, 129 hung up (under nohup a run goes on)

examples:
  lrtui train "ExponentialLR(gamma=0.1)"
  lrtui train "OneCycleLR(max_lr=0.003)" --precision bf16
  lrtui train "StepLR(step_size=3, gamma=0.5)" --optimizer "SGD(lr=0.1, momentum=0.9)" --json > run.jsonl
"""

SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}

POLL_SECONDS = 0.05

STOP_SECONDS = 30.0
"""How long a batch may still take once nobody reads what the run says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedule", metavar="SCHEDULE", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser)
    parser.add_argument("--json", action="store_true", help="print every event as a JSON object, one a line")
    parser.add_argument(
        "--quiet", action="store_true", help="print test results, the data's source, warnings and errors only"
    )


def main(namespace: argparse.Namespace) -> int:
    """Train, and return the exit status."""
    spec = read_spec(namespace, namespace.schedule)
    check_words(spec)
    printer = Printer(as_json=namespace.json, quiet=namespace.quiet, log_interval=spec.log_interval)
    run = Session().start(spec)
    caught = _stop_on_signals(run)
    try:
        while run.is_live:
            _print_events(run, printer)
            run.join(POLL_SECONDS)
        _print_events(run, printer)
    except OSError as error:
        give_up(sys.stdout)
        _stop(run)
        # a signal to the whole pipeline ends the reader too: then the run was stopped, and says how it went
        if not caught:
            return _close_unread(printer, error)
    return _close(run, printer, caught)


def _print_events(run: Run, printer: Printer) -> None:
    while events := run.poll():
        for event in events:
            printer.print(event)


def _stop_on_signals(run: Run) -> list[int]:
    """Stop the run at the first signal, the process at a Ctrl-C after it; return the list that signals are put into."""
    caught: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        # only Ctrl-C is impatience: a terminal that closes, and a service that is stopped, hang up more than once
        if caught and number == signal.SIGINT:
            os._exit(INTERRUPTED)
        caught.append(number)
        run.send(Stop())

    for number in SIGNALS:
        # nohup has its signal ignored: the run shall outlive it
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)
    return caught


def _stop(run: Run) -> None:
    """End the run and take in what it still says, or leave where it does not end: inside torch it would abort us."""
    run.send(Stop())
    if not run.join(STOP_SECONDS):
        os._exit(FAILED)
    while run.poll():
        pass


def _close_unread(printer: Printer, error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        # whoever read has seen enough: `| head` is no failure
        return DONE
    printer.warn(f"lrtui train: stopped, since standard output takes no more: {error.strerror or error}")
    return FAILED


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
