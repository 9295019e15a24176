"""Signals that stop what a command does: after the batch under way, saved; a second Ctrl-C leaves at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lrtui.cli.exit_codes import HUNG_UP, INTERRUPTED, TERMINATED

SIGNALS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED, signal.SIGHUP: HUNG_UP}
"""What stops a command, and its exit status then."""

NOBODYS_WISH = {signal.SIGTERM: "the process was told to end", signal.SIGHUP: "the terminal hung up"}
"""What stops a run without a person's wanting that run to stop; Ctrl-C is a person."""


def take_signals(stop: Callable[[str], object]) -> tuple[list[int], dict[signal.Signals, Any]]:
    """Let signals stop something from now on.

    Args:
        stop: told why, where that was no person.

    Returns:
        The list that the exit statuses of the signals that came are put into; and what handled each one before.
    """
    caught: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        # only Ctrl-C is impatience: a terminal that closes, and a service that is stopped, hang up more than once
        if caught and number == signal.SIGINT:
            os._exit(INTERRUPTED)
        caught.append(SIGNALS[signal.Signals(number)])
        stop(NOBODYS_WISH.get(signal.Signals(number), ""))

    # nohup has its signal ignored: what is done shall outlive it
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in taken:
        signal.signal(number, handle)
    return caught, taken


@contextmanager
def stopping_on_signals(stop: Callable[[str], object]) -> Iterator[list[int]]:
    """Let signals stop something meanwhile; yield the list that the exit statuses of those that came are put into."""
    caught, taken = take_signals(stop)
    try:
        yield caught
    finally:
        for number, handler in taken.items():
            signal.signal(number, handler)
