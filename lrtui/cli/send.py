"""`lrtui send`: a command for a run that goes on in another process."""

from __future__ import annotations

import argparse
import math
import re

from lrtui.cli.exit_codes import DONE, FAILED
from lrtui.cli.runs import add_store_option
from lrtui.cli.runs.opened_store import find, folder_of, reading
from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send
from lrtui.store.presence import Presence, why_not
from lrtui.text.format import printable, printable_lines

EPILOG = """\
COMMAND is pause, resume, stop, evaluate, checkpoint, undo, extend N, lr X (lr=X), lr*X, or a schedule, with from base,
current or start: which lr it builds on, and from when it counts. RUN is an id, a name, or last (the newest).

exit status: 0 the run obeyed, 1 it refused, did not answer, or takes no commands any more, 2 the words are off

examples:
  lrtui send last pause
  lrtui send 3 "lr*0.5"
  lrtui send 3 switch "CosineAnnealingLR() from current"
"""

MOST_SECONDS = 86400.0

# possessive: blanks that are given back and read again take the square of their number
_SWITCH = re.compile(r"\s*+switch\s++")
_LR = re.compile(r"\A\s*+lr\s++(?=[^\s=*/])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("words", metavar="COMMAND", nargs="+", help="in one word or several")
    parser.add_argument("--wait", metavar="S", default="10", help="seconds to wait for the answer (default: 10)")
    add_store_option(parser)


def main(namespace: argparse.Namespace) -> int:
    """Send the command, print the answer, and return the exit status."""
    command = read_command(" ".join(namespace.words))
    seconds = _seconds(namespace.wait)
    folder = folder_of(namespace.store)
    with reading(folder) as connection:
        run = find(connection, namespace.run)
    if reason := why_not(run, run.id):
        raise LrtuiError(reason)
    presence = Presence(run.id)
    answer = send(folder, run.id, command, seconds, presence.reason_it_left)
    if answer.obeyed is None or answer.text == presence.reason:
        raise LrtuiError(printable(answer.text))
    for line in printable_lines(answer.text if answer.obeyed else f"refused: {answer.text}"):
        print(line)
    return DONE if answer.obeyed else FAILED


def read_command(text: str) -> Command:
    """Return the command that the words stand for.

    Raises:
        NotationError: for words that are none; with the place of the fault.
    """
    # bytes of the command line that are no UTF-8 are in no command
    text = text.encode(errors="backslashreplace").decode()
    # a schedule alone is a switch, and lr=X is what the rest of the program writes for lr X
    if match := _SWITCH.match(text):
        text = text[match.end() :]
    return parse_command(_LR.sub("lr=", text, count=1))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MOST_SECONDS:
        raise UsageError(f"--wait takes seconds, from 0 to {MOST_SECONDS:,.0f}, not {text[:40]!r}")
    return seconds
