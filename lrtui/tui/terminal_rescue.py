"""Restores the terminal, and prints what was written last, if the cockpit's process is killed."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

SHOWN_LINES = 20
"""Lines of the last output that are printed."""

LEAVE_SCREEN = (
    # mouse, focus, pasted text, changes of size, keyboard protocol; then the cursor and the screen from before
    r"\033[?1000l\033[?1003l\033[?1015l\033[?1006l\033[?1004l\033[?2004l\033[?2048l\033[<u\033[?25h\033[?1049l"
)

# `read` fails at the end of the pipe, which comes when no process holds its other end
SCRIPT = f"""
read -r ended && exit
stty sane <&1
printf '{LEAVE_SCREEN}\\r\\n\\033[Jlrtui was killed. The last lines that it or its libraries wrote:\\r\\n'
tail -n {SHOWN_LINES} "$1" | tr -d '\\000'
"""


class TerminalRescue:
    """A shell that waits until this process ends, and restores the terminal unless `close` was called before.

    A process that is killed, runs out of memory or aborts in native code can't do that itself. Forked children that
    outlive it delay the rescue until they end, too.

    Args:
        terminal: descriptor of the terminal.
        output: descriptor of the file that the last lines are read from.
    """

    def __init__(self, terminal: int, output: int) -> None:
        waits, self._alive = os.pipe()
        try:
            self._shell: subprocess.Popen[bytes] | None = subprocess.Popen(
                ["/bin/sh", "-c", SCRIPT, "lrtui", f"/dev/fd/{output}"],
                stdin=waits,
                stdout=terminal,
                stderr=subprocess.DEVNULL,
                pass_fds=[output],
                # a signal to the process group must not end it
                start_new_session=True,
            )
        except OSError:
            self._shell = None
        finally:
            os.close(waits)

    def close(self) -> None:
        """End the shell: the terminal has been restored."""
        if self._alive < 0:
            return
        with suppress(OSError):
            os.write(self._alive, b"ended\n")
        os.close(self._alive)
        self._alive = -1
        if self._shell is not None:
            with suppress(subprocess.TimeoutExpired):
                self._shell.wait(1.0)
