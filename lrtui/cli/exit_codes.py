"""Exit codes, the signals that stop a command, and a closed standard output."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from lrtui.cli.terminal import SHOW_CURSOR
from lrtui.distributed.torchrun import torchrun_rank
from lrtui.run.errors import LrtuiError, UsageError

if TYPE_CHECKING:
    # takes 20 ms to import, and --help does not need it
    from lrtui.run.events import Outcome


DONE, FAILED, USAGE, DIVERGED = 0, 1, 2, 3

HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143
"""128 plus the signal's number, as in a shell."""

_OF_OUTCOME: dict[Outcome, int] = {"done": DONE, "stopped": DONE, "failed": FAILED, "diverged": DIVERGED}

SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}
"""The signals that stop a command, with its exit code."""

REASONS = {signal.SIGTERM: "the process was terminated", signal.SIGHUP: "the terminal hung up"}
"""The reason recorded for a run that a signal stops; Ctrl-C counts as the user's command and has none."""


def exit_code(outcome: Outcome, error: LrtuiError | None) -> int:
    """Return the exit code for the end of a run; a usage error found during the run has the same code as any other."""
    return USAGE if isinstance(error, UsageError) else _OF_OUTCOME[outcome]


def handle_signals(stop: Callable[[str], object]) -> tuple[list[int], dict[signal.Signals, Any]]:
    """Call `stop` on the first signal; a second Ctrl-C ends the process immediately.

    Under torchrun it does not: torchrun passes a Ctrl-C of the terminal on, and kills what has not ended in time.

    Args:
        stop: is given the reason, or "" for Ctrl-C.

    Returns:
        The list that the exit codes of received signals are appended to; and the previous handlers.
    """
    received: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        # a closing terminal or a stopped service may send its signal more than once
        if received and number == signal.SIGINT and torchrun_rank() is None:
            if os.isatty(2):
                # a progress bar hides the cursor
                os.write(2, SHOW_CURSOR.encode())
            os._exit(INTERRUPTED)
        received.append(SIGNALS[signal.Signals(number)])
        stop(REASONS.get(signal.Signals(number), ""))

    # under nohup SIGHUP is ignored, and must stay ignored
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    previous = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in previous:
        signal.signal(number, handle)
    return received, previous


@contextmanager
def stop_on_signals(stop: Callable[[str], object]) -> Iterator[list[int]]:
    """Call `stop` on signals within the block; yield a list that collects the exit codes of those received."""
    received, previous = handle_signals(stop)
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
