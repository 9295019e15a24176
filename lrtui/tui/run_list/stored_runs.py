"""The runs of the store as the screen knows them: all of them as rows, those that are drawn with their story."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from lrtui.store.location import store_folder
from lrtui.tui.run_list.row import RunRow
from lrtui.tui.run_list.store_watcher import Look, StoreWatcher, Wish
from lrtui.tui.run_list.stored_run import KeptRun

REMEMBERED = 8
"""How many stories of runs that were on screen are kept: going back to one of them waits for nothing."""


class StoredRuns:
    """What the watcher finds, folded; used by the UI thread."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.rows: Mapping[int, RunRow] = {}
        """All runs by number, the newest first."""
        self.trouble = ""
        """Why something can't be read, in words."""
        self.version = 0
        """Grows whenever the rows, or the trouble, are others."""
        self.has_opened = False
        """Whether a run's story has come that was waited for; whoever draws it takes it back."""
        self._opened: dict[int, tuple[int, KeptRun]] = {}
        """By number, the latest wanted last: its ticket and the run."""
        self._tickets = count(1)
        self._answers: deque[str] = deque()
        self._wish = Wish()
        self._watcher = StoreWatcher()

    @property
    def runs(self) -> dict[int, KeptRun]:
        """Those whose story is followed, by number."""
        return {run.number: run for ticket, run in self._opened.values() if ticket in self._wish.followed}

    def start(self) -> None:
        """Begin to look."""
        self._watcher.start()

    def close(self) -> None:
        """Look no more; returns at once."""
        self._watcher.close()

    def follow(self, option: str | None, numbers: Iterable[int]) -> None:
        """Follow the stories of these runs, of those that the store has.

        Args:
            option: which store, as `--store` has it.
        """
        folder = store_folder(option)
        if folder != self.folder:
            self._clear(folder)
        if folder is None:
            return
        wanted = [number for number in numbers if number in self.rows]
        for number in wanted:
            entry = self._opened.pop(number, None)
            self._opened[number] = entry or (next(self._tickets), KeptRun(folder, self.rows[number], self._answers))
        for number in list(self._opened)[: max(0, len(self._opened) - max(REMEMBERED, len(wanted)))]:
            del self._opened[number]
        self._ask(
            Wish(
                folder,
                {ticket: number for number, (ticket, _) in self._opened.items()},
                frozenset(self._opened[number][0] for number in wanted),
            )
        )

    def _clear(self, folder: Path | None) -> None:
        self.folder, self.rows, self.trouble = folder, {}, ""
        self._opened.clear()
        self.version += 1
        self._ask(Wish(folder))

    def _ask(self, wish: Wish) -> None:
        if wish != self._wish:
            self._wish = wish
            self._watcher.wish(wish)

    def poll(self) -> bool:
        """Take what was found since; return whether there was anything."""
        found = False
        while self._watcher.looks:
            look = self._watcher.looks.popleft()
            if look.folder == self.folder:
                found = self._take(look) or found
        return found

    def _take(self, look: Look) -> bool:
        news = look.rows is not None or look.trouble != self.trouble
        if news:
            self.trouble = look.trouble
            self.version += 1
        if look.rows is not None:
            self.rows = look.rows
            self._opened = {number: entry for number, entry in self._opened.items() if number in look.rows}
        by_ticket = dict(self._opened.values())
        for ticket, chapter in look.stories.items():
            if ticket in by_ticket:
                by_ticket[ticket].read_on(chapter)
                self.has_opened = self.has_opened or chapter.begins
                news = True
        for number, (_, run) in self._opened.items():
            run.note_row(self.rows[number])
        return news

    def take_answers(self) -> list[str]:
        """Return what became of commands since, in words."""
        return [self._answers.popleft() for _ in range(len(self._answers))]
