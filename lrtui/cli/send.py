"""`lrtui send`: sends a command to a run in another process."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import click

from lrtui.cli.command import TextCommand, argument, option
from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option
from lrtui.cli.terminal import print_prose
from lrtui.run.commands import Command, Extend, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.source import race_of_name
from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send, why_no_commands
from lrtui.store.reader import StoredRun
from lrtui.text.format import printable, printable_lines

EPILOG = """\
Exit status: 0 the run obeyed, 1 it refused, did not answer, or takes no commands any more, 2 usage error.

Examples:
  lrtui send last pause
  lrtui send 3 "lr*0.5"
  lrtui send 3 switch "CosineAnnealingLR() from current"
"""

MAX_SECONDS = 86400.0

# possessive quantifiers: backtracking over blanks would take quadratic time
_SWITCH = re.compile(r"\s*+switch\s++")
_LR = re.compile(r"\A\s*+lr\s++(?=[^\s=*/])")


@click.command(cls=TextCommand, epilog=EPILOG)
@run_argument()
@argument("parts", metavar="COMMAND...", nargs=-1, required=True, help="The command, as one argument or several.")
@option("--wait", metavar="S", default="10", help="seconds to wait for the answer (default: 10)")
@store_option()
def command(run: str, parts: tuple[str, ...], wait: str, store: str | None) -> int:
    """COMMAND is pause, resume, stop, evaluate, checkpoint, undo, extend N, lr X (or lr=X), lr*X, or a schedule, with
    from base, current or start (the lr that it starts from, and the step that it counts from).
    """
    sent = read_command(" ".join(parts))
    seconds = _seconds(wait)
    folder = folder_of(store)
    with reading(folder) as connection:
        stored = find(connection, run)
    if reason := why_no_commands(folder, stored, stored.id):
        raise LrtuiError(reason)
    race = race_of_name(stored.name)
    if race and isinstance(sent, (SwitchSchedule, SetLr, ScaleLr, UndoLr, Extend, Stop)):
        raise LrtuiError(
            f"{printable(stored.title)} belongs to race {race}, which compares unchanged schedules. Stop the "
            "race with ctrl+c where it runs, or with x in the cockpit"
        )
    # the lr of a script is not known ahead, or would take seconds to compute, in which the run goes on
    if isinstance(sent, Extend) and not stored.spec.is_attached:
        for line in _findings(folder, stored, sent):
            print_prose(line, sys.stderr)
    answer = send(folder, stored.id, sent, seconds)
    if answer.obeyed is None:
        raise LrtuiError(printable(answer.text))
    for line in printable_lines(answer.text if answer.obeyed else f"refused: {answer.text}"):
        print_prose(line)
    return DONE if answer.obeyed else FAILED


def _findings(folder: Path, run: StoredRun, extend: Extend) -> list[str]:
    """Return a line for each finding on the run's schedule over its new length."""
    # these import numpy and torch, which other commands do without
    from lrtui.cli.run_findings import course_lines
    from lrtui.schedules.forecast import request_for_run
    from lrtui.store.store_feed import summarized_state

    with reading(folder) as connection:
        request = request_for_run(summarized_state(connection, run.id))
    if request is None:
        return []
    return course_lines(request.extended(extend.epochs), run.spec.accumulate)


def read_command(text: str) -> Command:
    """Return the command that a text stands for.

    Raises:
        NotationError: for anything else, with the position of the error.
    """
    # no command contains bytes that are not UTF-8
    text = text.encode(errors="backslashreplace").decode()
    # parse_command takes a schedule without `switch`, and lr=X for lr X
    if match := _SWITCH.match(text):
        text = text[match.end() :]
    return parse_command(_LR.sub("lr=", text, count=1))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_SECONDS:
        raise UsageError(f"--wait takes a number of seconds from 0 to {MAX_SECONDS:,.0f}, not {text[:40]!r}")
    return seconds
