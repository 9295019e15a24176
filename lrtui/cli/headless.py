"""A headless run: prints its events, stops on signals, and returns an exit code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from lrtui.analysis.advice.advisor import Advisor
from lrtui.cli.exit_codes import DONE, FAILED, exit_code, handle_signals
from lrtui.cli.printer import Printer, summary_lines
from lrtui.cli.run_findings import course_lines, finding_lines
from lrtui.cli.task_output import task_output_on_stderr
from lrtui.engine.notification import Notifier, advice_notification, end_notification
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import CheckpointError, LrtuiError, NotationError, UsageError
from lrtui.run.events import Extended, RunStarted
from lrtui.schedules.forecast import RunForecaster, request_for_run
from lrtui.store.location import store_option
from lrtui.text.streams import discard

POLL_SECONDS = 0.05

QUIET_WAIT_SECONDS = 3.0
"""Seconds that an ended run waits for the store before a message says so."""

STOP_SECONDS = 30.0
"""Seconds to wait for the batch in progress after standard output was closed."""


def headless_notifier(command: str | None, in_terminal: bool, report: Callable[[str], object]) -> Notifier | None:
    """Return what sends notifications without a cockpit; None if there are none to send.

    Args:
        command: the command of `--notify`, or None.
        in_terminal: whether to write to the terminal, if standard error is one.
        report: prints the first error of the command.

    Raises:
        UsageError: for a command that can't be read.
    """
    terminal = sys.stderr if in_terminal and sys.stderr.isatty() else None

    def write(sequence: str) -> None:
        if terminal is not None:
            terminal.write(sequence)
            terminal.flush()

    if command is None and terminal is None:
        return None
    return Notifier(command, write if terminal is not None else None, report)


def follow(start: Callable[[], Run], printer: Printer, prog: str, notifier: Notifier | None = None) -> int:
    """Start a run, print its events until it ends, and return the exit code.

    Args:
        start: starts the run and returns it.
        printer: created before standard output is redirected here.
        prog: the command's name, for messages.
        notifier: sends the notifications of its end and of advice.
    """
    is_on_stdout = printer.out is sys.stdout
    # output of the task is not an event
    with task_output_on_stderr() as out:
        printer.out = out if is_on_stdout else printer.out
        run = start()
        signals, _ = handle_signals(lambda reason: run.send(Stop(reason)))
        error = _print_all(run, printer, notifier)
    if error is not None:
        discard(sys.stdout)
        _stop(run)
        # Ctrl-C also ends the reader of a pipe: report the run as stopped
        if not signals:
            return _report_closed_output(printer, error, prog)
    if notifier is not None and run.state.outcome is not None:
        notifier.send(end_notification(run.state, str(run.number) if run.is_recorded else ""))
        notifier.wait()
    return _report_end(run, printer, signals, prog)


def _print_all(run: Run, printer: Printer, notifier: Notifier | None) -> OSError | None:
    """Print the events until the run ends; return the error if standard output can't be written."""
    advisor, has_said = Advisor(RunForecaster()), False
    try:
        while run.is_live:
            _print_events(run, printer, advisor, notifier)
            ended_at = run.ended_at
            if ended_at is not None and not has_said and time.monotonic() - ended_at > QUIET_WAIT_SECONDS:
                printer.warn(f"training has ended; waiting for the store in {run.store_folder} to take its last events")
                has_said = True
            run.join(POLL_SECONDS)
        _print_events(run, printer, advisor, notifier)
    except OSError as error:
        return error
    return None


def _print_events(run: Run, printer: Printer, advisor: Advisor, notifier: Notifier | None) -> None:
    while events := run.poll():
        for event in events:
            printer.print(event)
            if isinstance(event, RunStarted):
                is_new = event.resumed_from is None and event.parent is None
                if not is_new and run.state.schedule != event.spec.schedule:
                    printer.say(f"schedule: {run.state.schedule}, switched to earlier in this run")
                _warn(printer, lambda event=event: finding_lines(event, run.spec))  # type: ignore[misc]
            elif isinstance(event, Extended) and event.command_id:
                _warn(printer, lambda: course_lines(request_for_run(run.state), run.spec.accumulate))
        number = run.number if run.is_recorded else None
        for advice in advisor.new_advice(run.state):
            store = store_option(run.store_folder) if run.store_folder is not None else ""
            printer.warn(advice.headless_line(run.spec, number, store))
            if notifier is not None:
                label = "" if number is None else str(number)
                notifier.send(advice_notification(advice.title, advice.text, run.state.schedule, label))


def _warn(printer: Printer, check: Callable[[], list[str]]) -> None:
    """Print the findings of a check, which must not end a run that trains."""
    try:
        lines = check()
    except LrtuiError as error:
        lines = [f"the schedule can't be checked: {error}"]
    for line in lines:
        printer.warn(line)


def _stop(run: Run) -> None:
    """Stop the run, or exit if it does not stop: a thread inside torch would abort the process at its end."""
    run.send(Stop())
    if not run.join(STOP_SECONDS):
        os._exit(FAILED)
    while run.poll():
        pass


def _report_closed_output(printer: Printer, error: OSError, prog: str) -> int:
    if isinstance(error, BrokenPipeError):
        # a closed pipe, as with `| head`, is not a failure
        return DONE
    printer.warn(f"{prog}: stopped, standard output can't be written: {error.strerror or error}")
    return FAILED


def _report_end(run: Run, printer: Printer, signals: list[int], prog: str) -> int:
    if run.recording_error:
        printer.warn(run.recording_error)
    outcome = run.state.outcome
    if outcome is None:
        printer.warn("the training thread ended without a result")
        return FAILED
    if isinstance(run.error, UsageError) and not run.has_begun:
        if isinstance(run.error, NotationError):
            separator = "\n" if run.error.position is not None else " "
            printer.warn(f"{prog}:{separator}{run.error.explain()}")
        else:
            printer.warn(f"{prog}: {run.error}")
        return exit_code(outcome.outcome, run.error)
    for line in summary_lines(run.state):
        if outcome.error:
            printer.warn(line)
        else:
            printer.say(line)
    if run.is_recorded and not run.recording_error:
        printer.say(_next_step(run))
    if signals and outcome.outcome != "diverged":
        # a signal to the process group also ends the data loader's processes, which looks like a failure
        return signals[0]
    # after the first step, a usage error counts as a failure of the run
    return FAILED if outcome.outcome == "failed" and run.state.step else exit_code(outcome.outcome, run.error)


def _next_step(run: Run) -> str:
    store = store_option(run.store_folder) if run.store_folder is not None else ""
    next_steps = {
        "stopped": f"lrtui resume {run.number}{store} continues it",
        "failed": f"lrtui resume {run.number}{store} continues from its last checkpoint",
        "diverged": f"lrtui resume {run.number} --lr X{store} continues from its last checkpoint",
    }
    shows = f"lrtui runs show {run.number}{store} shows it"
    # a resume from a checkpoint that can't be loaded would fail again; the message names another one
    can_resume = run.has_checkpoint and not isinstance(run.error, CheckpointError)
    next_step = next_steps.get(run.state.status, shows) if can_resume else shows
    return f"stored as run {run.number}; {next_step}"
