"""Where commands wait until the training thread takes them."""

from __future__ import annotations

import threading
from collections import deque

from lrtui.run.commands import Command


class Inbox:
    """Commands in the order they were given; any thread may send, one thread takes."""

    def __init__(self) -> None:
        self._commands: deque[Command] = deque()
        self._arrived = threading.Event()
        self._closed = False
        self._door = threading.Lock()

    def send(self, command: Command) -> bool:
        """Leave a command; never blocks. Return whether it will be taken: not where the run is over."""
        with self._door:
            if self._closed:
                return False
            self._commands.append(command)
        self._arrived.set()
        return True

    def close(self) -> list[Command]:
        """Take no more, and return what is left."""
        with self._door:
            self._closed = True
            left = list(self._commands)
            self._commands.clear()
        return left

    def take(self) -> Command | None:
        """Return the oldest command, or None where there is none; never blocks."""
        # looked at between every two steps: an empty deque is the common case and costs 50 ns
        if not self._commands:
            return None
        self._arrived.clear()
        command = self._commands.popleft()
        if self._commands:
            self._arrived.set()
        return command

    def __len__(self) -> int:
        return len(self._commands)

    def wait(self, seconds: float | None = None) -> bool:
        """Block until a command is there, `seconds` at most; return whether one is."""
        return self._arrived.wait(seconds) or bool(self._commands)

    def holds(self, kind: type[Command]) -> bool:
        """Say whether a command of that kind waits; none is taken."""
        with self._door:
            return any(isinstance(command, kind) for command in self._commands)
