"""A run of the store on screen: over, or going on in another process."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tui.run_list.row import RunRow
from lrtui.tui.run_list.store_watcher import Chapter

ANSWER_SECONDS = 10.0
"""How long a command's answer is waited for."""


class KeptRun:
    """A stored run, as panes see it; used by the UI thread.

    Args:
        store_folder: of its store.
        row: as the list has it.
        answers: takes what became of its commands, in words.
    """

    is_recorded = True

    def __init__(self, store_folder: Path, row: RunRow, answers: deque[str]) -> None:
        self.store_folder, self.row, self._answers = store_folder, row, answers
        self.state = RunState(waiting_for="its story to be read from the store")

    @property
    def number(self) -> int:
        """What it is called."""
        return self.row.number

    @property
    def spec(self) -> RunSpec:
        """Its settings."""
        return self.state.started.spec if self.state.started else self.row.listed.run.spec

    @property
    def is_live(self) -> bool:
        """Whether it goes on now."""
        return self.row.listed.run.is_live and self.state.is_live

    def read_on(self, chapter: Chapter) -> None:
        """Fold what it has said since."""
        if chapter.begins:
            # drawn ones are told apart by their version, which goes on growing
            self.state = RunState(version=self.state.version)
        self.state.fold(chapter.story)

    def note_row(self, row: RunRow) -> None:
        """Take its row as it is now: a run that died has not said so itself."""
        self.row = row
        if row.listed.run.state == "lost" and self.state.is_live:
            self.state.status = "lost"
            self.state.version += 1

    def send(self, command: Command) -> bool:
        """Leave a command for it in the store, in a thread; return False: what becomes of it is said in words."""
        if self.is_live:
            self._answers.append(f"#{self.number} is told in its process: {command.text} …")
            threading.Thread(target=self._ask, args=(command,), name="command", daemon=True).start()
        return False

    def _ask(self, command: Command) -> None:
        from lrtui.store.inbox import send

        try:
            answer = send(self.store_folder, self.number, command, ANSWER_SECONDS)
            said = answer.text if answer.obeyed else f"{command.text}: {answer.text}"
        except LrtuiError as error:
            said = f"{command.text}: {error}"
        self._answers.append(f"#{self.number} {said}")
