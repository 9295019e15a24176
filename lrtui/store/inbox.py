"""Commands that other processes send to a run through the store; refused if other users can write to the store.

They are rows of the database, or files where its locks can't be trusted.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lrtui.run.commands import Command, Stop
from lrtui.run.errors import NotationError, StoreError, UsageError
from lrtui.run.events import CommandAnswer, CommandRefused, Event, RunFinished
from lrtui.run.log import change_line
from lrtui.schedules.command_notation import parse_command
from lrtui.store.command_files import Answer, CommandFiles, SentCommand
from lrtui.store.connection import open_for_reading, open_for_writing, readable_errors
from lrtui.store.location import DATABASE, is_on_network, only_owner_can_write, store_option
from lrtui.store.reader import StoredRun, has_checkpoint, reload
from lrtui.text.format import printable

POLL_SECONDS = 0.05


def answer_of(command: Command, event: Event) -> Answer | None:
    """Return the answer that the event has for the command; None if it has none."""
    if not isinstance(event, CommandAnswer) or event.command_id != command.id:
        return None
    if isinstance(event, CommandRefused):
        return Answer(False, event.reason)
    if isinstance(event, RunFinished):
        return Answer(True, f"the run is over: {event.outcome}")
    return Answer(True, change_line(event) or command.text)


Key = int | str
"""Identifies a sent command: its row in the table, or its id in a file."""


def sent_commands(connection: sqlite3.Connection) -> dict[int, list[tuple[int, str]]]:
    """Return the id and the text of all commands that no process has taken, by run, the oldest first."""
    found: dict[int, list[tuple[int, str]]] = {}
    for run, key, text in connection.execute("SELECT run, id, command FROM inbox WHERE taken IS NULL ORDER BY id"):
        found.setdefault(run, []).append((key, text))
    return found


class InboxReader:
    """Reads what other processes sent to one run, and writes the answers; used by the writer's thread."""

    def __init__(self) -> None:
        self._files: CommandFiles | None = None
        """The commands in files; None before the first call of `take`."""
        self._known: set[Key] = set()
        self._unanswered: list[tuple[Key, Command]] = []
        self._taken: list[Key] = []
        self._answers: list[tuple[Key, Answer]] = []

    @property
    def has_news(self) -> bool:
        """Whether there is something to write."""
        return bool(self._taken or self._answers)

    def take(
        self, folder: Path, run: int, sent: Sequence[tuple[int, str]], *, with_files: bool = True
    ) -> list[Command]:
        """Return the commands that have come since the last call.

        Args:
            sent: those in the database that no process has taken, as `sent_commands` returns them.
            with_files: whether to look for commands in files, too.
        """
        waiting: list[tuple[Key, str]] = [*sent]
        if with_files:
            # of both kinds: what is a network file system for the sender may be a local one here
            self._files = self._files or CommandFiles(folder, run)
            waiting += self._files.waiting()
        new = [(key, text) for key, text in waiting if key not in self._known]
        trusted = bool(new) and only_owner_can_write(folder)
        commands = []
        for key, text in new:
            self._known.add(key)
            self._taken.append(key)
            try:
                if not trusted:
                    raise UsageError(f"other users can write to {folder}: commands are not taken from there")
                command = replace(parse_command(text), id=f"inbox-{key}")
            except UsageError as error:
                self._answers.append((key, Answer(False, str(error))))
                continue
            self._unanswered.append((key, command))
            commands.append(command)
        return commands

    def note_answer(self, event: Event) -> None:
        """Store the answer to a command, if the event is one."""
        for entry in self._unanswered:
            if (answer := answer_of(entry[1], event)) is not None:
                self._unanswered.remove(entry)
                self._answers.append((entry[0], answer))
                break
        if isinstance(event, RunFinished):
            # the end of the run obeys every Stop, and refuses all other commands
            text = f"the run is over: {event.outcome}"
            self._answers += [(key, Answer(isinstance(command, Stop), text)) for key, command in self._unanswered]
            self._unanswered.clear()

    def write(self, connection: sqlite3.Connection) -> None:
        """Write which commands were taken, and the answers.

        Raises:
            OSError: if a file can't be written.
        """
        now = time.time()
        rows = [(now, key) for key in self._taken if isinstance(key, int)]
        connection.executemany("UPDATE inbox SET taken = ? WHERE id = ?", rows)
        connection.executemany(
            "UPDATE inbox SET answered = ?, obeyed = ?, answer = ? WHERE id = ?",
            [(now, answer.obeyed, answer.text, key) for key, answer in self._answers if isinstance(key, int)],
        )
        in_files = [(key, bool(answer.obeyed), answer.text) for key, answer in self._answers if isinstance(key, str)]
        if self._files is not None and in_files:
            self._files.answer(in_files)

    def written(self) -> None:
        """Note that everything is on disk."""
        self._taken.clear()
        self._answers.clear()


def send(folder: Path, run: int, command: Command, seconds: float) -> Answer:
    """Send a command to a run of another process and wait at most `seconds` for the answer.

    Raises:
        StoreError: if the store can't be written, or can be written by others than its owner.
        UsageError: if the command can't be sent as text.
    """
    if not only_owner_can_write(folder):
        raise StoreError(
            f"other users can write to {folder}, so runs take no commands from there: "
            f"chmod go-w {folder} {folder / DATABASE}"
        )
    try:
        parse_command(command.text)
    except NotationError as error:
        raise UsageError(str(error)) from None
    on_network, now = is_on_network(folder), time.time()
    connection = open_for_reading(folder) if on_network else open_for_writing(folder)
    try:
        with readable_errors(folder / DATABASE):
            text = command.text
            sent = SentCommand(folder, run, text, now) if on_network else _SentRow(connection, run, text, now)
            return _wait_for_answer(folder, connection, run, sent, seconds)
    finally:
        connection.close()


class _SentRow:
    """A command that was sent as a row of the database; for its sender."""

    def __init__(self, connection: sqlite3.Connection, run: int, command: str, sent: float) -> None:
        self._connection = connection
        (self._id,) = connection.execute(
            "INSERT INTO inbox (run, sent, command) VALUES (?, ?, ?) RETURNING id", (run, sent, command)
        ).fetchone()

    def answer(self) -> Answer | None:
        """Return the answer of the run; None if there is none yet."""
        row = self._connection.execute(
            "SELECT obeyed, answer FROM inbox WHERE id = ? AND answered IS NOT NULL", (self._id,)
        ).fetchone()
        return None if row is None or row[1] is None else Answer(bool(row[0]), row[1])

    def withdraw(self) -> None:
        """Delete the row, unless the run has taken it."""
        self._connection.execute("DELETE FROM inbox WHERE id = ? AND taken IS NULL", (self._id,))


def _wait_for_answer(
    folder: Path, connection: sqlite3.Connection, run: int, sent: _SentRow | SentCommand, seconds: float
) -> Answer:
    give_up = time.monotonic() + seconds
    refusals = 0
    try:
        while True:
            # read before the answer, since a run writes its last answers in the same transaction that marks it as ended
            refusal = why_no_commands(folder, reload(connection, run), run)
            if (answer := sent.answer()) is not None:
                return answer
            # a run that ends between the reading of its row and the check of its process seems lost at first
            refusals += refusal is not None
            if refusals > 1 or time.monotonic() > give_up:
                text = f"no answer in {seconds:g} s: the run takes commands between two batches"
                return Answer(None, refusal or text)
            time.sleep(POLL_SECONDS)
    finally:
        # a run that is resumed later must not carry out a command whose sender is gone
        sent.withdraw()


def why_no_commands(folder: Path, run: StoredRun | None, run_id: int) -> str | None:
    """Return why the run takes no commands and what can be done; None if it takes them."""
    if run is None:
        return f"run #{run_id} was deleted"
    if run.is_live:
        return None
    title = printable(run.title)
    is_lost = run.state == "lost"
    reason = f"{title} is lost: its process died" if is_lost else f"{title} is {run.state} and takes no commands"
    if run.spec.is_log:
        return f"{title} was imported from a log and takes no commands; only the program that wrote it can continue it"
    if run.spec.is_attached:
        return f"{reason}; only its script can continue it: start that again"
    if not has_checkpoint(folder, run_id):
        return f"{reason}; it has no checkpoint to be resumed from"
    store = store_option(folder)
    match run.state:
        case "done":
            return f"{reason}; lrtui resume {run_id} --epochs N{store} extends it"
        case "diverged":
            return f"{reason}; lrtui resume {run_id} --lr X{store} continues it from its last checkpoint"
    return f"{reason}; lrtui resume {run_id}{store} continues it from its last checkpoint"
