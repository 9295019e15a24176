"""Signals that stop a race: after the batch under way, saved; a second Ctrl-C leaves at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from lrtui.cli.exit_codes import INTERRUPTED
from lrtui.cli.headless import NOBODYS_WISH, SIGNALS


class Stoppable(Protocol):
    """What a signal stops."""

    def stop(self, because: str = "") -> None: ...


@contextmanager
def stopping_on_signals(race: Stoppable) -> Iterator[list[int]]:
    """Let signals stop the race meanwhile; yield the list that the exit statuses of those that came are put into."""
    caught: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        # only Ctrl-C is impatience: a terminal that closes, and a service that is stopped, hang up more than once
        if caught and number == signal.SIGINT:
            os._exit(INTERRUPTED)
        caught.append(SIGNALS[signal.Signals(number)])
        race.stop(NOBODYS_WISH.get(signal.Signals(number), ""))

    # nohup has its signal ignored: the race shall outlive it
    before = {number: signal.getsignal(number) for number in SIGNALS}
    taken = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handle)
    try:
        yield caught
    finally:
        for number in taken:
            signal.signal(number, before[number])
