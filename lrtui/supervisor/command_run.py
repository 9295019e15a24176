"""The run in the store that stands for a command, until a script of the command attaches itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import join

from lrtui.engine.recording import Recording
from lrtui.run.commands import Command
from lrtui.run.events import CommandRefused, Event, Notice, Paused, Resumed, RunFinished
from lrtui.run.source import run_started
from lrtui.run.spec import RunSpec
from lrtui.store.command_output import recorded_path
from lrtui.store.reader import read_at_once
from lrtui.supervisor.command_process import Ended, title_of
from lrtui.supervisor.output_events import OutputEvents
from lrtui.supervisor.terminal_lines import Line

STORE_SECONDS = 10.0
"""Seconds that the start waits for a locked store."""

MAX_NAME = 80
"""Characters of a command that name its run."""

HOW_TO_ATTACH = "this needs lrtui.attach(optimizer, scheduler) in the script"


def spec_of(command: Sequence[str], name: str | None) -> RunSpec:
    """Return what is known of the settings of a command's run."""
    text = name or " ".join(join([Path(command[0]).name, *command[1:]]).split())
    shown = text if len(text) <= MAX_NAME else f"{text[: MAX_NAME - 1]}…"
    # undecodable bytes of an argument can't be stored
    shown = shown.encode(errors="replace").decode()
    task = title_of(command).encode(errors="replace").decode()
    return RunSpec(task=f"script:{task}", schedule="script:lr()", epochs=1, name=shown)


class CommandRun:
    """Records a command as a run: the values in its output, its pauses and its end.

    Args:
        recording: of the new run.
        spec: its settings.
        output: the file of the command's output.
        started: when the command was started, in seconds since 1970.
        seconds: returns the time that the command has run, pauses excluded.
    """

    def __init__(
        self, recording: Recording, spec: RunSpec, output: Path, started: float, seconds: Callable[[], float]
    ) -> None:
        self._recording, self._started = recording, started
        self.output = recorded_path(recording.folder, output)
        """The file of the command's output, relative to the store's folder if it is there."""
        self._events = OutputEvents(seconds)
        self.attached: tuple[int, ...] = ()
        """Runs of scripts of the command that have attached themselves; then this run is deleted."""
        self._publish(replace(run_started(spec=spec), **self._events.number(), output=self.output))

    @property
    def number(self) -> int:
        """The run's number in the store."""
        return self._recording.run

    def read(self, lines: Iterable[Line]) -> None:
        """Record the values of lines of output."""
        if not self.attached:
            for event in self._events.read(lines):
                self._publish(event)

    def find_attached(self) -> bool:
        """Look for runs of attached scripts, which replace this run; return whether the first one was found now."""
        query = "SELECT id FROM runs WHERE created >= ? AND id != ? AND json_extract(data, '$.output') = ? ORDER BY id"
        rows = read_at_once(self._recording.folder, query, (self._started, self.number, self.output))
        had_some = bool(self.attached)
        self.attached = tuple(row[0] for row in rows) if rows else self.attached
        if had_some or not self.attached:
            return False
        self._recording.finish()
        self._recording.withdraw()
        return True

    def pause(self, command: Command, *, is_paused: bool) -> None:
        """Record that the command was paused or continued."""
        kind = Paused if is_paused else Resumed
        self._publish(kind(**self._events.number(), command_id=command.id))

    def refuse(self, command: Command, reason: str = HOW_TO_ATTACH) -> None:
        """Record that the run can't do what a command asks for."""
        self._publish(
            CommandRefused(**self._events.number(), command=command.text, reason=reason, command_id=command.id)
        )

    def note(self, text: str, *, is_warning: bool = False) -> None:
        """Record a message for the user."""
        level = "warning" if is_warning else "info"
        self._publish(Notice(**self._events.number(), level=level, code="command", text=text))  # type: ignore[arg-type]

    def finish(self, ended: Ended, last_line: str, stopped_by: str) -> str:
        """Record the end and wait until it is stored; return what could not be recorded.

        Args:
            last_line: of the output; it goes into the message of a failure.
            stopped_by: id of the command that asked for the end; "user" if no command did; empty for none.
        """
        if self.attached:
            self._recording.close()
            return ""
        command_id = "" if stopped_by == "user" else stopped_by
        if stopped_by:
            end = RunFinished(**self._events.number(), outcome="stopped", command_id=command_id)
        elif ended.status:
            error = f"{ended.text}: {last_line}" if last_line else ended.text
            end = RunFinished(**self._events.number(), outcome="failed", error=error)
        else:
            end = RunFinished(**self._events.number(), outcome="done")
        self._publish(end)
        trouble = self._recording.finish()
        self._recording.close()
        return trouble

    def _publish(self, event: Event) -> None:
        if not self.attached:
            self._recording.publish(event)


def record_command(
    folder: Path,
    spec: RunSpec,
    output: Path,
    started: float,
    seconds: Callable[[], float],
    receive: Callable[[Command], object],
    report: Callable[[str], None],
) -> CommandRun:
    """Add a run for a command to the store.

    Args:
        receive: takes commands that other processes send to the run; called in another thread.
        report: receives failures of the store; called in another thread.

    Raises:
        StoreError: if the store can't be written.
    """
    recording = Recording.of_new_run(folder, spec, receive, report, STORE_SECONDS)
    return CommandRun(recording, spec, output, started, seconds)
