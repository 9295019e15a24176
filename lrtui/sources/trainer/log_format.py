"""The format of Hugging Face's Trainer: an output folder with `trainer_state.json` in it or in its checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, LogPart
from lrtui.sources.logged_values import LARGEST_STEP, LoggedValues
from lrtui.sources.trainer.checkpoint_files import CHECKPOINT, FILE, NewestFile, StateFile, state_files
from lrtui.sources.trainer.state_file import HISTORY, UnreadableError, state_parts

_SETTLED_SECONDS = 5.0
"""A file that is written takes less; one that can't be read for longer is damaged."""
_ENTRIES_PER_LOOK = 256
"""Entries read between two looks at the clock."""
_SETTINGS = (
    *("num_train_epochs", "max_steps", "train_batch_size", "logging_steps", "eval_steps", "save_steps"),
    *("best_metric", "best_global_step", "best_model_checkpoint"),
)
_KEPT = frozenset({*_SETTINGS, "global_step", "trial_name", "trial_params", "stateful_callbacks"})
_LONGEST_TEXT = 1_000


class TrainerState(LogFormat):
    """A run is an output folder: each checkpoint's file has the whole history up to it."""

    name = "trainer_state"

    def find(self, folder: Path, names: Sequence[str]) -> Sequence[FoundLog]:
        """Return the run of an output folder, also for the folder of one of its checkpoints."""
        if FILE not in names or folder.name.startswith("tmp-checkpoint-"):
            return ()
        return (FoundLog(self.name, folder.parent if CHECKPOINT.fullmatch(folder.name) else folder),)

    def open(self, log: FoundLog) -> TrainerStateReader:
        """Return a reader of the run."""
        return TrainerStateReader(log.path)


class _OtherHistoryError(Exception):
    """The history does not continue the one that was returned."""


class TrainerStateReader:
    """Reads the newest file of an output folder, and again when there is a newer one.

    Args:
        folder: the output folder.
    """

    def __init__(self, folder: Path) -> None:
        self.trouble = ""
        self._folder = folder
        self._seen: tuple[StateFile, ...] = ()
        self._file: StateFile | None = None
        self._parts: Iterator[tuple[str, Any]] | None = None
        self._passed = 0
        """Entries of the history that this pass over the file has seen."""
        self._state: dict[str, Any] = {}
        self._failed: dict[StateFile, str] = {}
        self._failed_at = 0.0
        self._facts: LogFacts | None = None
        self._newest = NewestFile()
        self._forget()

    def _forget(self) -> None:
        self._values = LoggedValues()
        self._count = 0
        """Entries of the history that were returned."""
        self._last_entry: Any = None
        self._last_step = 0
        self._steps_per_epoch: float | None = None
        self._left_out = 0
        """Entries without a step."""

    def has_news(self) -> bool:
        """Return whether a file has changed, or one that was half-written should be complete by now."""
        if self._parts is not None or state_files(self._folder) != self._seen:
            return True
        return bool(self._failed) and not self.trouble and self._is_settled()

    def read(self, seconds: float) -> LogPart:
        """Return what the newest file has more than what was returned before; all of it if it is another history."""
        deadline = time.monotonic() + seconds
        files = state_files(self._folder)
        if files != self._seen:
            self._seen = files
            self._failed = {file: reason for file, reason in self._failed.items() if file in files}
            self._open_newest()
        from_start = False
        while self._parts is not None:
            try:
                if not self._read_on(self._parts, deadline):
                    break
                self._parts = None
            except _OtherHistoryError:
                from_start = True
                self._forget()
                self._open(self._file)
            except (UnreadableError, OSError) as error:
                self._fail(error)
        self.trouble = self._describe_trouble()
        return LogPart(
            self._values.take(), self._changed_facts(), from_start=from_start, has_more=self._parts is not None
        )

    def sample(self) -> LogPart | None:
        """Return None: a file can only be read from its start."""
        return None

    def close(self) -> None:
        """Close the file."""
        self._parts = None

    def _open_newest(self) -> None:
        self._open(self._newest.of([file for file in self._seen if file not in self._failed]))

    def _open(self, file: StateFile | None) -> None:
        self._file, self._passed, self._state = file, 0, {}
        self._parts = None if file is None else state_parts(file.path)

    def _read_on(self, parts: Iterator[tuple[str, Any]], deadline: float) -> bool:
        """Read until the deadline; return whether the file is read to its end."""
        for looked, (key, value) in enumerate(parts, 1):
            if key == HISTORY:
                self._take_entry(value)
            elif key in _KEPT:
                self._state[key] = value
            if looked % _ENTRIES_PER_LOOK == 0 and time.monotonic() > deadline:
                return False
        if self._passed < self._count:
            raise _OtherHistoryError
        return True

    def _take_entry(self, entry: Any) -> None:
        self._passed += 1
        if self._passed < self._count:
            return
        if self._passed == self._count:
            if repr(entry) != repr(self._last_entry):  # NaN is equal to itself as text
                raise _OtherHistoryError
            return
        self._count, self._last_entry = self._passed, entry
        step = entry.get("step") if isinstance(entry, dict) else None
        if not isinstance(step, int | float) or not 0 <= step <= LARGEST_STEP or step != int(step):
            self._left_out += 1
            return
        step = int(step)
        if step < self._last_step:
            self._values.restart(step)
        self._last_step = step
        for name, value in entry.items():
            if name != "step" and type(value) in (float, int):
                self._values.add(name, step, _as_float(value))
        epoch = entry.get("epoch")
        if type(epoch) in (float, int) and 0 < epoch <= step:
            self._steps_per_epoch = step / epoch

    def _fail(self, error: UnreadableError | OSError) -> None:
        reason = str(error) if isinstance(error, UnreadableError) else f"{error.strerror or error}"
        self._parts = None
        if self._file is not None:
            self._failed[self._file] = reason
        self._failed_at = time.monotonic()
        if not self._count:
            # an older checkpoint is better than nothing
            self._open_newest()

    def _is_settled(self) -> bool:
        # a file server's clock may be wrong
        return time.monotonic() - self._failed_at > _SETTLED_SECONDS or any(
            time.time() - file.changed_at / 1e9 > _SETTLED_SECONDS for file in self._failed
        )

    def _describe_trouble(self) -> str:
        if not self._seen:
            return f"{self._folder} has no {FILE}." if not self._count else f"{self._folder} has no {FILE} any more."
        found = []
        if self._failed and self._is_settled():
            found += [f"{file.path} can't be read to its end: {reason}." for file, reason in self._failed.items()]
        place = self._file.path if self._file is not None else self._folder
        if self._left_out:
            found.append(f"{place}: {self._left_out:,} entries of its history have no step, and are left out.")
        if self._values.trouble:
            found.append(f"{place}: {self._values.trouble}")
        return " ".join(found)

    def _changed_facts(self) -> LogFacts | None:
        """Return the facts if a file was read to its end and they have changed."""
        if self._parts is not None or not self._state or self._file in self._failed:
            return None
        facts = self._read_facts()
        if facts == self._facts:
            return None
        self._facts = facts
        return facts

    def _read_facts(self) -> LogFacts:
        state = self._state
        total_steps, step = _count_of(state.get("max_steps")), _count_of(state.get("global_step"))
        per_epoch = self._steps_per_epoch
        is_whole = per_epoch is not None and abs(per_epoch - round(per_epoch)) < 1e-3 * per_epoch
        trial, name = state.get("trial_params"), state.get("trial_name")
        settings = {key: state[key] for key in _SETTINGS if key in state}
        if isinstance(trial, dict):
            settings |= dict(islice(trial.items(), 1_000))
        is_complete = total_steps is not None and step is not None and step >= total_steps
        return LogFacts(
            total_steps=total_steps,
            epochs=_count_of(state.get("num_train_epochs")),
            batches_per_epoch=round(per_epoch) if per_epoch is not None and is_whole else None,
            name=name if isinstance(name, str) else None,
            settings={
                str(key)[:_LONGEST_TEXT]: value[:_LONGEST_TEXT] if isinstance(value, str) else value
                for key, value in settings.items()
                if isinstance(value, str | int | float)
            },
            counts_from=1,
            is_finished=True if is_complete or _is_stopped(state.get("stateful_callbacks")) else None,
        )


def _count_of(value: Any) -> int | None:
    return value if type(value) is int and 0 < value <= LARGEST_STEP else None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_stopped(callbacks: Any) -> bool:
    """Return whether Trainer was to stop when it wrote these states of its callbacks."""
    control = callbacks.get("TrainerControl") if isinstance(callbacks, dict) else None
    arguments = control.get("args") if isinstance(control, dict) else None
    return isinstance(arguments, dict) and arguments.get("should_training_stop") is True
