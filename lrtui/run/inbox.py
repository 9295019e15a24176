"""The queue of commands for the training thread."""

from __future__ import annotations

import threading
from collections import deque

from lrtui.run.commands import Command


class Inbox:
    """Commands in the order they were sent; any thread may send, one thread takes."""

    def __init__(self) -> None:
        self.commands: deque[Command] = deque()
        """The commands that were not taken; only for a look whether there are any."""
        self._arrived = threading.Event()
        self._closed = False
        self._lock = threading.Lock()

    def send(self, command: Command) -> bool:
        """Append a command; never blocks. Return False if the inbox is closed because the run is over."""
        with self._lock:
            if self._closed:
                return False
            self.commands.append(command)
        self._arrived.set()
        return True

    def close(self) -> list[Command]:
        """Accept no more commands, and return those that were not taken."""
        with self._lock:
            self._closed = True
            left = list(self.commands)
            self.commands.clear()
        return left

    def take(self) -> Command | None:
        """Return the oldest command, or None if there is none; never blocks."""
        # called between every two steps: an empty deque is the common case and costs 50 ns
        if not self.commands:
            return None
        self._arrived.clear()
        command = self.commands.popleft()
        if self.commands:
            self._arrived.set()
        return command

    def __len__(self) -> int:
        return len(self.commands)

    def wait(self, seconds: float | None = None) -> bool:
        """Block until there is a command, at most `seconds`; return whether there is one."""
        return self._arrived.wait(seconds) or bool(self.commands)

    def find(self, kind: type[Command]) -> Command | None:
        """Return the oldest command of that kind without taking it; None if there is none."""
        with self._lock:
            return next((command for command in self.commands if isinstance(command, kind)), None)
