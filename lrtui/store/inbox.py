"""Commands for a run from other processes, through the store; taken only where nobody but its owner can write it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lrtui.run.commands import Command, Stop
from lrtui.run.errors import NotationError, StoreError, UsageError
from lrtui.run.event_lines import change_line
from lrtui.run.events import CommandAnswer, CommandRefused, Event, RunFinished
from lrtui.schedules.command_notation import parse_command
from lrtui.store.connection import open_for_writing, told
from lrtui.store.location import DATABASE, is_owners_alone

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command.

    Args:
        obeyed: whether it was; None where no answer has come in time.
        text: what was done, or why it was not.
    """

    obeyed: bool | None
    text: str


def answer_of(command: Command, event: Event) -> Answer | None:
    """Return what the event says about the command; None if it answers another one, or none."""
    if not isinstance(event, CommandAnswer) or event.command_id != command.id:
        return None
    if isinstance(event, CommandRefused):
        return Answer(False, event.reason)
    if isinstance(event, RunFinished):
        return Answer(True, f"the run is over: {event.outcome}")
    return Answer(True, change_line(event) or command.text)


class InboxReader:
    """What other processes sent one run, from the store and back to it; used by the writer's thread."""

    def __init__(self) -> None:
        self._known: set[int] = set()
        self._asked: list[tuple[int, Command]] = []
        self._taken: list[int] = []
        self._answers: list[tuple[int, Answer]] = []

    @property
    def has_news(self) -> bool:
        """Whether there is something to write."""
        return bool(self._taken or self._answers)

    def take(self, connection: sqlite3.Connection, folder: Path, run: int) -> list[Command]:
        """Return the commands that have come since."""
        rows = connection.execute(
            "SELECT id, command FROM inbox WHERE run = ? AND taken IS NULL ORDER BY id", (run,)
        ).fetchall()
        new = [(inbox_id, words) for inbox_id, words in rows if inbox_id not in self._known]
        trusted = bool(new) and is_owners_alone(folder)
        commands = []
        for inbox_id, words in new:
            self._known.add(inbox_id)
            self._taken.append(inbox_id)
            try:
                if not trusted:
                    raise UsageError(f"others than its owner can write {folder}: commands are not taken from there")
                command = replace(parse_command(words), id=f"inbox-{inbox_id}")
            except UsageError as error:
                self._answers.append((inbox_id, Answer(False, str(error))))
                continue
            self._asked.append((inbox_id, command))
            commands.append(command)
        return commands

    def hear(self, event: Event) -> None:
        """Take an event of the run, which may answer a command; the oldest one that it fits."""
        for entry in self._asked:
            if (answer := answer_of(entry[1], event)) is not None:
                self._asked.remove(entry)
                self._answers.append((entry[0], answer))
                break
        if isinstance(event, RunFinished):
            # the end answers every Stop, whichever came first
            text = f"the run is over: {event.outcome}"
            self._answers += [(key, Answer(isinstance(command, Stop), text)) for key, command in self._asked]
            self._asked.clear()

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what is new."""
        now = time.time()
        connection.executemany("UPDATE inbox SET taken = ? WHERE id = ?", [(now, taken) for taken in self._taken])
        connection.executemany(
            "UPDATE inbox SET answered = ?, obeyed = ?, answer = ? WHERE id = ?",
            [(now, answer.obeyed, answer.text, inbox_id) for inbox_id, answer in self._answers],
        )

    def written(self) -> None:
        """Note that what was new is on disk."""
        self._taken.clear()
        self._answers.clear()


def send(
    folder: Path, run: int, command: Command, seconds: float, is_live: Callable[[sqlite3.Connection], str | None]
) -> Answer:
    """Leave a command for a run of another process and wait for the answer, `seconds` at most.

    Args:
        is_live: returns why the run takes no commands, or None where it does; looked at while waiting, too.

    Raises:
        StoreError: where the store can't be written, or others than its owner can.
    """
    if not is_owners_alone(folder):
        raise StoreError(
            f"others than its owner can write {folder}, so that no run takes commands from there: "
            f"chmod go-w {folder} {folder / DATABASE}"
        )
    try:
        parse_command(command.text)
    except NotationError as error:
        raise UsageError(str(error)) from None
    connection = open_for_writing(folder)
    try:
        with told(folder / DATABASE):
            inbox_id = connection.execute(
                "INSERT INTO inbox (run, sent, command) VALUES (?, ?, ?) RETURNING id",
                (run, time.time(), command.text),
            ).fetchone()[0]
            give_up = time.monotonic() + seconds
            while True:
                # looked at first: a run that ends writes its last answers with its end
                dead = is_live(connection)
                obeyed, text = connection.execute(
                    "SELECT obeyed, answer FROM inbox WHERE id = ? AND answered IS NOT NULL", (inbox_id,)
                ).fetchone() or (None, None)
                if text is not None:
                    return Answer(bool(obeyed), text)
                if dead is not None or time.monotonic() > give_up:
                    # nobody shall find it there later, and obey what nobody waits for any more
                    connection.execute("DELETE FROM inbox WHERE id = ? AND taken IS NULL", (inbox_id,))
                    if dead is not None:
                        return Answer(False, dead)
                    return Answer(None, f"no answer in {seconds:g} s: the run takes commands between two batches")
                time.sleep(POLL_SECONDS)
    finally:
        connection.close()
