"""Race plans on disk: one JSON file per race beside the database, written atomically."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from lrtui.analysis.race.plan import RacePlan
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.store.liveness import is_alive, machine, this_process
from lrtui.store.location import prepare_folder, store_folder
from lrtui.store.output_file import write_file

RACES = "races"
"""Subfolder of the store that holds the plans."""

LAST = "last"
"""Name of the newest race."""

MAX_BYTES = 100_000_000
"""Largest plan that is read; that of 10,000 runs has 1 MB."""

_NAME = re.compile(r"(\d+)\.json")


class PlanFiles:
    """The race plans of a store.

    Args:
        folder: folder of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._races = folder / RACES

    @classmethod
    def of_store(cls, store: str | None) -> PlanFiles:
        """Return the plans of the store that `--store` names.

        Raises:
            StoreError: with `--store none`.
        """
        folder = store_folder(store)
        if folder is None:
            raise StoreError("a race needs a store; use --store DIR instead of --store none")
        return cls(folder)

    def numbers(self) -> list[int]:
        """Return the numbers of all races, the oldest first."""
        if not self._races.is_dir():
            return []
        return sorted(int(match[1]) for path in self._races.iterdir() if (match := _NAME.fullmatch(path.name)))

    def create(self, plan: RacePlan) -> None:
        """Number a new race and save its plan.

        Raises:
            StoreError: if it can't be written.
        """
        prepare_folder(self.folder)
        try:
            self._races.mkdir(mode=0o700, exist_ok=True)
            plan.number = (self.numbers() or [0])[-1] + 1
            while True:
                try:
                    # creating the file reserves the number
                    os.close(os.open(self._path(plan.number), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                    break
                except FileExistsError:
                    plan.number += 1
        except OSError as error:
            raise StoreError(f"can't create a race in {self._races}: {error.strerror or error}") from None
        self.save(plan)

    def save(self, plan: RacePlan) -> None:
        """Save the plan atomically; a link is followed, and a device or fifo is written to directly.

        Raises:
            StoreError: if it can't be written.
        """
        write_file(self._path(plan.number), [json.dumps(plan.to_json(), indent=1, allow_nan=False)])

    def remove(self, plan: RacePlan) -> None:
        """Remove the plan of a race that has no runs."""
        with suppress(OSError):
            self._path(plan.number).unlink()

    def load(self, number: int) -> RacePlan:
        """Return the plan with that number.

        Raises:
            StoreError: if it can't be read.
        """
        path = self._path(number)
        try:
            if path.stat().st_size > MAX_BYTES:
                raise StoreError(f"it is larger than {MAX_BYTES // 10**6} MB")
            return RacePlan.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LrtuiError) as error:
            text = error.strerror if isinstance(error, OSError) else error
            raise StoreError(f"can't read the race plan {path}: {text}") from None

    def find(self, text: str) -> RacePlan:
        """Return the race with that number, or the newest for `last`.

        Raises:
            UsageError: if there is no such race; names the newest ones.
            StoreError: if its plan can't be read.
        """
        numbers = self.numbers()
        if text == LAST:
            for number in reversed(numbers):
                # a process that was killed while it created a race leaves an empty file, which only reserves its number
                if not self._is_empty(number):
                    return self.load(number)
        if not numbers or text == LAST:
            raise UsageError(f"no races in the store {self.folder}")
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) in numbers):
            newest = ", ".join(map(str, numbers[-8:]))
            raise UsageError(f"no race {text[:60]!r}: give a number or {LAST}; the newest are {newest}")
        return self.load(int(text))

    def claim(self, plan: RacePlan) -> None:
        """Mark the race as running in this process.

        Raises:
            UsageError: if it is running in another process.
            StoreError: if the plan can't be written.
        """
        other = plan.process
        if other is not None and other != this_process() and is_alive(other, plan.heartbeat):
            raise UsageError(f"{plan.title} is already running in process {other.pid}")
        plan.process, plan.heartbeat = this_process(), time.time()
        self.save(plan)

    def is_running(self, plan: RacePlan) -> bool:
        """Return whether a process is running the race."""
        return plan.process is not None and is_alive(plan.process, plan.heartbeat)

    def interrupt(self, plan: RacePlan) -> None:
        """Stop a running race as Ctrl-C does: its runs end after their batch and are saved.

        Raises:
            UsageError: if it is not running, or on another machine.
        """
        process = plan.process
        if process is None or not self.is_running(plan):
            raise UsageError(f"{plan.title} is not running")
        if process.machine != machine():
            raise UsageError(f"{plan.title} runs on another machine: stop its process {process.pid} there")
        try:
            os.kill(process.pid, signal.SIGTERM)
        except OSError as error:
            raise UsageError(f"{plan.title} can't be stopped: {error.strerror or error}") from None

    def release(self, plan: RacePlan) -> None:
        """Mark the race as not running.

        Raises:
            StoreError: if the plan can't be written.
        """
        plan.process = None
        self.save(plan)

    def _path(self, number: int) -> Path:
        return self._races / f"{number}.json"

    def _is_empty(self, number: int) -> bool:
        with suppress(OSError):
            status = self._path(number).stat()
            # the size of a fifo means nothing
            return S_ISREG(status.st_mode) and not status.st_size
        return False
