"""A run without a screen, followed to its end: printed, stopped by signals, its outcome an exit status."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from lrtui.analysis.advice.advisor import Advisor
from lrtui.cli.closed_stdout import give_up
from lrtui.cli.exit_codes import DONE, FAILED, exit_code
from lrtui.cli.findings import finding_lines
from lrtui.cli.printer import Printer, summary_lines
from lrtui.cli.signals import take_signals
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import NotationError
from lrtui.run.events import RunStarted
from lrtui.schedules.forecast import RunForecaster

POLL_SECONDS = 0.05

STOP_SECONDS = 30.0
"""How long a batch may still take once nobody reads what the run says."""


def follow(begin: Callable[[], Run], printer: Printer, prog: str) -> int:
    """Start a run, print what it says until it is over, and return the exit status.

    Args:
        begin: starts the run and returns it.
        printer: holds on to standard output.
        prog: the command's name, for messages.
    """
    # what a task prints is no event: it goes beside the narration
    with contextlib.redirect_stdout(sys.stderr):
        run = begin()
        caught, _ = take_signals(lambda because: run.send(Stop(because)))
        unread = _print_all(run, printer)
    if unread is not None:
        give_up(sys.stdout)
        _stop(run)
        # a signal to the whole pipeline ends the reader too: then the run was stopped, and says how it went
        if not caught:
            return _close_unread(printer, unread, prog)
    return _close(run, printer, caught, prog)


def _print_all(run: Run, printer: Printer) -> OSError | None:
    """Print what the run says until it is over; return why standard output takes no more, if it does not."""
    advisor = Advisor(RunForecaster())
    try:
        while run.is_live:
            _print_events(run, printer, advisor)
            run.join(POLL_SECONDS)
        _print_events(run, printer, advisor)
    except OSError as error:
        return error
    return None


def _print_events(run: Run, printer: Printer, advisor: Advisor) -> None:
    while events := run.poll():
        for event in events:
            printer.print(event)
            if isinstance(event, RunStarted):
                for line in finding_lines(event, run.spec):
                    printer.warn(line)
        run_number = run.number if run.is_recorded else None
        for advice in advisor.new_advice(run.state):
            printer.warn(advice.headless_line(run.spec, run_number))


def _stop(run: Run) -> None:
    """End the run and take in what it still says, or leave where it does not end: inside torch it would abort us."""
    run.send(Stop())
    if not run.join(STOP_SECONDS):
        os._exit(FAILED)
    while run.poll():
        pass


def _close_unread(printer: Printer, error: OSError, prog: str) -> int:
    if isinstance(error, BrokenPipeError):
        # whoever read has seen enough: `| head` is no failure
        return DONE
    printer.warn(f"{prog}: stopped, since standard output takes no more: {error.strerror or error}")
    return FAILED


def _close(run: Run, printer: Printer, caught: list[int], prog: str) -> int:
    if run.unrecorded:
        printer.warn(run.unrecorded)
    outcome = run.state.outcome
    if outcome is None:
        printer.warn("the training thread ended without a word")
        return FAILED
    if isinstance(run.error, NotationError) and not run.state.step:
        apart = "\n" if run.error.position is not None else " "
        printer.warn(f"{prog}:{apart}{run.error.explain()}")
        return exit_code(outcome.outcome, run.error)
    for line in summary_lines(run.state):
        if outcome.error:
            printer.warn(line)
        else:
            printer.say(line)
    if run.is_recorded and not run.unrecorded:
        printer.say(_kept_words(run))
    if caught and outcome.outcome != "diverged":
        # a signal to the whole group ends a data loader's processes as well, which is then all that is seen here
        return caught[0]
    # words that show to be off only after the first step have failed a run
    return FAILED if outcome.outcome == "failed" and run.state.step else exit_code(outcome.outcome, run.error)


def _kept_words(run: Run) -> str:
    status = run.state.status
    more = {
        "stopped": f"lrtui resume {run.number} goes on",
        "failed": f"lrtui resume {run.number} goes on from its last checkpoint",
        "diverged": f"lrtui resume {run.number} --lr X goes on from its last checkpoint",
    }
    return f"kept as run {run.number}; {more.get(status, f'lrtui runs show {run.number} tells it again')}"
