"""Tells the user what happens to runs while nobody looks: runs a command, and writes a notification to the terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import UsageError
from lrtui.run.evaluations import ACCURACY, LOSS, metric_of
from lrtui.run.state import RunState
from lrtui.text.format import duration, figure, printable

COMMAND_SECONDS = 30.0
"""Seconds after which a command that has not ended is killed."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that happened to a run.

    Args:
        event: how the run has ended (done, stopped, failed, diverged, lost), or "advice".
        run: number or name of the run; empty if it has none.
        schedule: its schedule.
        message: one line for the user.
    """

    event: str
    run: str
    schedule: str
    message: str


def advice_notification(title: str, text: str, schedule: str, run: str) -> Notification:
    """Return the notification of advice during a run.

    Args:
        title: the advice's.
        text: the advice's.
        schedule: the run's.
        run: number or name of the run; empty if it has none.
    """
    message = printable(f"{f'run {run}: ' if run else ''}{title}: {text}")
    return Notification("advice", run, schedule, message)


def end_notification(state: RunState, run: str) -> Notification:
    """Return the notification of a run's end.

    Args:
        run: number or name of the run; empty if it has none.
    """
    parts = [f"epoch {state.epoch}", duration(state.elapsed)]
    names = {LOSS: "test loss", ACCURACY: ACCURACY}
    names.setdefault(state.objective.metric, state.objective.metric)
    last = state.last_test
    parts += [f"{text} {figure(value)}" for name, text in names.items() if (value := metric_of(last, name)) is not None]
    if state.outcome is not None and state.outcome.error:
        parts = [state.outcome.error.splitlines()[0]]
    message = printable(f"{f'run {run}' if run else 'run'} {state.status}: {', '.join(parts)}")
    return Notification(state.status, run, state.schedule, message)


class Notifier:
    """Sends notifications.

    Args:
        command: words of the command, as a shell reads them; no shell runs it. It gets the message as its last
            argument, and LRTUI_EVENT, LRTUI_RUN, LRTUI_SCHEDULE and LRTUI_MESSAGE in its environment.
        write: writes to the terminal; None for no notification there.
        report: takes the first error of the command; called in another thread.

    Raises:
        UsageError: for a command with an unclosed quote.
    """

    def __init__(
        self, command: str | None, write: Callable[[str], object] | None, report: Callable[[str], object]
    ) -> None:
        self._words = command_words(command) if command else []
        self._write, self._report = write, report
        self._reported = threading.Event()
        self._threads: list[DaemonThread] = []

    def send(self, notification: Notification) -> None:
        """Send a notification, without waiting for the command."""
        if self._write is not None:
            self._write(terminal_sequence(notification.message, os.environ))
        if self._words:
            thread = DaemonThread(lambda: self._run(notification), "notify")
            self._threads.append(thread)
            thread.start()

    def wait(self) -> None:
        """Wait for the commands in progress."""
        for thread in self._threads:
            thread.join(COMMAND_SECONDS + 1)

    def _run(self, notification: Notification) -> None:
        environment = {
            **os.environ,
            "LRTUI_EVENT": notification.event,
            "LRTUI_RUN": notification.run,
            "LRTUI_SCHEDULE": notification.schedule,
            "LRTUI_MESSAGE": notification.message,
        }
        try:
            ended = subprocess.run(
                [*self._words, notification.message],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            self._report_once(str(error))
            return
        if ended.returncode:
            said = ended.stderr.decode(errors="replace").strip().splitlines()
            self._report_once(f"exit status {ended.returncode}{f': {said[-1]}' if said else ''}")

    def _report_once(self, error: str) -> None:
        if not self._reported.is_set():
            self._reported.set()
            self._report(f"--notify {self._words[0]}: {printable(error)}")


def command_words(command: str) -> list[str]:
    """Return the words of a command.

    Raises:
        UsageError: for an unclosed quote, or no word.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--notify takes a command, not {command[:60]!r}: {error}") from None
    if not words:
        raise UsageError("--notify takes a command, not an empty text")
    return words


def terminal_sequence(message: str, environ: Mapping[str, str]) -> str:
    """Return the escape sequence that makes the terminal show a notification.

    rxvt and foot know OSC 777; iTerm2, kitty, WezTerm, Ghostty, Windows Terminal and ConEmu know OSC 9. Other terminals
    ignore it. tmux passes it on with `set allow-passthrough on`.
    """
    text = printable(message)
    terminal = environ.get("TERM", "")
    if terminal.startswith(("rxvt", "foot")):
        # a semicolon would end the title
        sequence = f"\x1b]777;notify;lrtui;{text}\x1b\\"
    else:
        sequence = f"\x1b]9;{text}\x1b\\"
    return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\" if environ.get("TMUX") else sequence
