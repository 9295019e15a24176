"""The names of signals, for messages."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """Return the name of a signal: `SIGKILL`."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
