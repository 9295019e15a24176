"""Looks into the store about once a second, in a thread of its own: which runs are there, what some of them said."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError, StoreError
from lrtui.run.feed import StepBlock, Story
from lrtui.tui.run_list.row import RunRow

# imported in the thread: the store takes 60 ms to import, and the first frame waits for none of it
if TYPE_CHECKING:
    from lrtui.store.store_feed import StoreFeed

LOOK_SECONDS = 1.0
"""Between two looks."""

BUSY_SECONDS = 2.0
"""How long a look waits for a database that another process keeps locked."""

STEPS_A_LOOK = 20_000
"""Of one run: what the screen folds at once takes some milliseconds."""

FINGERPRINT = "SELECT id, state, step, seconds, name, note, best_accuracy, test_loss, finished FROM runs ORDER BY id"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is looked for.

    Args:
        folder: of the store; None for none.
        known: run ids by ticket: one whose story has begun goes on where it was.
        followed: tickets of those whose story is wanted now.
    """

    folder: Path | None = None
    known: Mapping[int, int] = field(default_factory=dict)
    followed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Chapter:
    """What a run has said since it was last looked at.

    Args:
        begins: whether the story begins here, whatever was told before.
    """

    begins: bool
    story: tuple[Story, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What was found.

    Args:
        folder: where.
        rows: all runs by number, the newest first; None where nothing has changed, or nothing can be read.
        trouble: why something can't be read; empty where all is well.
        stories: what runs have said since, by ticket.
    """

    folder: Path | None
    rows: Mapping[int, RunRow] | None
    trouble: str
    stories: Mapping[int, Chapter]


class StoreWatcher:
    """A thread that reads, and hands on what it finds as plain values."""

    def __init__(self) -> None:
        self.looks: deque[Look] = deque()
        """What was found and is not taken yet, the oldest first."""
        self._wish = Wish()
        self._woken = threading.Event()
        self._closed = False
        self._source: _Source | None = None
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wish(self, wish: Wish) -> None:
        """Look for something else from now on; at once."""
        self._wish = wish
        self._woken.set()

    def close(self) -> None:
        """Look no more; returns at once."""
        self._closed = True
        self._woken.set()

    def _work(self) -> None:
        last: Look | None = None
        while not self._closed:
            self._woken.clear()
            wish = self._wish
            look = self._look(wish)
            if look.rows is not None or look.stories or last is None or last.trouble != look.trouble:
                self.looks.append(look)
                last = look
            self._woken.wait(0 if self._has_more(look) else LOOK_SECONDS)
        self._leave()

    def _has_more(self, look: Look) -> bool:
        return any(
            sum(len(part) for part in chapter.story if isinstance(part, StepBlock)) >= STEPS_A_LOOK
            for chapter in look.stories.values()
        )

    def _leave(self) -> None:
        if self._source is not None:
            self._source.connection.close()
            self._source = None

    def _look(self, wish: Wish) -> Look:
        gone: Mapping[int, RunRow] | None = None
        source = self._source
        if source is not None and (source.folder != wish.folder or source.file != _file(source.folder)):
            # the store was deleted, or another has taken its place
            self._leave()
            gone = {}
        if wish.folder is None or _file(wish.folder) is None:
            return Look(wish.folder, {}, "", {}) if gone is not None else Look(wish.folder, None, "", {})
        try:
            source = self._source = self._source or _Source(wish.folder)
            rows, trouble = source.list_runs()
            stories, untold = source.tell(wish)
            return Look(wish.folder, gone if rows is None else rows, trouble or untold, stories)
        except (sqlite3.Error, LrtuiError, OSError) as error:
            self._leave()
            words = str(error) if isinstance(error, StoreError) else f"the store can't be read: {error}"
            return Look(wish.folder, gone, words, {})
        except Exception as error:  # rows can hold whatever another program has put there, and it must be seen
            self._leave()
            return Look(wish.folder, gone, f"the store can't be read: {type(error).__name__}: {error}", {})


def _file(folder: Path) -> tuple[int, int] | None:
    """Return which file the database is; None where there is none."""
    from lrtui.store.location import DATABASE

    try:
        found = os.stat(folder / DATABASE)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Source:
    """One open store, and what is known of it."""

    def __init__(self, folder: Path) -> None:
        from lrtui.store.connection import open_for_reading

        self.folder, self.file = folder, _file(folder)
        self.connection = open_for_reading(folder, BUSY_SECONDS)
        self._prints: dict[int, tuple[object, ...]] = {}
        self._rows: dict[int, RunRow] = {}
        self._unread: dict[int, str] = {}
        self._feeds: dict[int, StoreFeed] = {}
        self._untold: dict[int, str] = {}
        """Why the story of a ticket can't be read."""

    def list_runs(self) -> tuple[Mapping[int, RunRow] | None, str]:
        """Return all rows where any has changed, and what can't be read; reads only those that have changed."""
        prints = {row[0]: tuple(row) for row in self.connection.execute(FINGERPRINT)}
        first = not self._prints and bool(prints)
        before = dict(self._rows)
        for number in prints:
            known = self._rows.get(number)
            # whether a live one's process is still there is in no row
            if self._prints.get(number) != prints[number] or (known is not None and known.listed.run.is_live):
                self._read(number)
        for number in self._rows.keys() - prints.keys():
            del self._rows[number]
        self._prints = prints
        self._unread = {number: words for number, words in self._unread.items() if number in prints}
        trouble = next(iter(self._unread.values()), "")
        if not first and before == self._rows:
            return None, trouble
        return dict(sorted(self._rows.items(), reverse=True)), trouble

    def _read(self, number: int) -> None:
        from lrtui.store.columns import listed_run
        from lrtui.store.reader import reload

        self._unread.pop(number, None)
        try:
            run = reload(self.connection, number)
            if run is not None:
                self._rows[number] = RunRow(listed_run(self.connection, run), self._best_loss(number, run.test_loss))
        except (LrtuiError, ValueError) as error:  # one run's settings that can't be read hide no other
            self._unread[number] = f"run #{number} can't be read: {error}"

    def _best_loss(self, number: int, test_loss: float | None) -> float | None:
        if test_loss is None:
            return None
        query = "SELECT min(loss), max(accuracy IS NOT NULL) FROM evaluations WHERE run = ? AND NOT averaged"
        loss, has_accuracy = self.connection.execute(query, (number,)).fetchone()
        return None if has_accuracy else loss

    def tell(self, wish: Wish) -> tuple[dict[int, Chapter], str]:
        """Return what the runs that are followed have said since, and what can't be read."""
        from lrtui.store.store_feed import StoreFeed

        self._feeds = {ticket: feed for ticket, feed in self._feeds.items() if ticket in wish.known}
        stories: dict[int, Chapter] = {}
        for ticket in wish.followed - self._untold.keys():
            begins = ticket not in self._feeds
            if begins:
                self._feeds[ticket] = StoreFeed(self.connection, wish.known[ticket])
            try:
                story = self._feeds[ticket].take(STEPS_A_LOOK)
            except (LrtuiError, ValueError, TypeError) as error:  # an event that this program does not know
                self._untold[ticket] = f"the story of run #{wish.known[ticket]} can't be read: {error}"
                continue
            if story:
                stories[ticket] = Chapter(begins, tuple(story))
        return stories, next((self._untold[ticket] for ticket in wish.followed if ticket in self._untold), "")
