"""The plans of a store's races: one small file each beside the database, always whole."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

from lrtui.analysis.race.plan import RacePlan
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.store.liveness import is_alive, this_process
from lrtui.store.location import prepare_folder

RACES = "races"
"""The plans' folder in the store's."""

LAST = "last"
"""Names the newest race."""

_NAME = re.compile(r"(\d+)\.json")


class PlanFiles:
    """The plans in a store's folder.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._races = folder / RACES

    def numbers(self) -> list[int]:
        """Return the numbers of the races there are, the oldest first."""
        if not self._races.is_dir():
            return []
        return sorted(int(match[1]) for path in self._races.iterdir() if (match := _NAME.fullmatch(path.name)))

    def create(self, plan: RacePlan) -> None:
        """Give a new race its number, and write its plan.

        Raises:
            StoreError: where it can't be written.
        """
        prepare_folder(self.folder)
        try:
            self._races.mkdir(mode=0o700, exist_ok=True)
            plan.number = (self.numbers() or [0])[-1] + 1
            while True:
                try:
                    # whoever makes the file has the number
                    os.close(os.open(self._path(plan.number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    break
                except FileExistsError:
                    plan.number += 1
        except OSError as error:
            raise StoreError(f"no race can be kept in {self._races}: {error.strerror or error}") from None
        self.save(plan)

    def save(self, plan: RacePlan) -> None:
        """Write the plan as it is now: whole, or the one before stays.

        Raises:
            StoreError: where it can't be written.
        """
        path = self._path(plan.number)
        unfinished = path.with_suffix(".unfinished")
        try:
            with open(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(plan.to_json(), file, indent=1, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            raise StoreError(f"{path} can't be written: {error.strerror or error}") from None

    def load(self, number: int) -> RacePlan:
        """Return the plan of that number.

        Raises:
            StoreError: where it can't be read.
        """
        path = self._path(number)
        try:
            return RacePlan.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LrtuiError) as error:
            words = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"{path} is no plan of a race that can be read: {words}") from None

    def find(self, words: str) -> RacePlan:
        """Return the race that is meant: by its number, or `last`.

        Raises:
            UsageError: where there is none; names those there are.
            StoreError: where its plan can't be read.
        """
        numbers = self.numbers()
        if not numbers:
            raise UsageError(f"the store {self.folder} has no race yet")
        if words == LAST:
            return self.load(numbers[-1])
        if not (words.isascii() and words.isdigit() and len(words) < 10 and int(words) in numbers):
            there = ", ".join(map(str, numbers[-8:]))
            raise UsageError(f"there is no race {words[:60]!r}; a race is its number or {LAST}; the newest are {there}")
        return self.load(int(words))

    def claim(self, plan: RacePlan) -> None:
        """Let the race go on in this process.

        Raises:
            UsageError: while it goes on in another.
            StoreError: where the plan can't be written.
        """
        other = plan.process
        if other is not None and other != this_process() and is_alive(other, plan.heartbeat):
            raise UsageError(f"{plan.title} goes on in process {other.pid}; it can't go on twice")
        plan.process, plan.heartbeat = this_process(), time.time()
        self.save(plan)

    def release(self, plan: RacePlan) -> None:
        """Let the race rest.

        Raises:
            StoreError: where the plan can't be written.
        """
        plan.process = None
        self.save(plan)

    def _path(self, number: int) -> Path:
        return self._races / f"{number}.json"
