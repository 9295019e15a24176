"""When a run's checkpoints are made, and which of them stay. Knows no torch: whoever starts a run makes this."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lrtui.run.errors import CheckpointError, LrtuiError
from lrtui.run.events import CheckpointSaved
from lrtui.run.user_error import describe_exception
from lrtui.training.checkpoint.files import SavedFile, file_name, remove_unfinished, saved_files, superfluous
from lrtui.training.reporter import Reporter

if TYPE_CHECKING:
    from lrtui.schedules.schedule import Schedule
    from lrtui.training.checkpoint.format import Checkpoint
    from lrtui.training.checkpoint.state import TrainingState

Reason = Literal["epoch", "time", "pause", "stop", "change", "command"]

TOTAL_LIMIT_BYTES = 2_000_000_000
"""What a run's checkpoints may take before those of early epochs go."""


class Checkpoints:
    """The checkpoints of one run; used by its training thread.

    Args:
        folder: where they are; made when it is needed.
        every_seconds: of wall time between two, besides those at epochs' ends.
        commit: waits until all events told so far are on disk, and returns whether they are; where they are not, no
            checkpoint is made: it would know of steps that the story has lost.
        keep: returns the names of files that stay, such as those that branches began at.
        total_limit_bytes: what all of them may take before those of early epochs go.
    """

    def __init__(
        self,
        folder: Path,
        every_seconds: float = 30.0,
        commit: Callable[[], bool] = lambda: True,
        keep: Callable[[], Collection[str]] = tuple,
        total_limit_bytes: int = TOTAL_LIMIT_BYTES,
    ) -> None:
        self._folder, self._every_seconds = folder, every_seconds
        self._commit, self._keep, self._limit = commit, keep, total_limit_bytes
        self._files: list[SavedFile] = []
        self._epoch_ends: list[int] = []
        self._tried_at = time.monotonic()
        self._missed = self._begun = False
        self._saved_step = 0
        self._told = ""
        self._read_again: Schedule | None = None
        self._unsaveable: tuple[Schedule, str] | None = None

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        """Take over those that the run had when it was at this checkpoint.

        Later ones belong to a story that is put aside, and stay with it.
        """
        self._files = [file for file in saved_files(self._folder) if file.seq <= checkpoint.seq]
        self._epoch_ends = list(checkpoint.epoch_ends)
        self._saved_step = checkpoint.step

    def is_due(self, step: int) -> bool:
        """Say whether it is time for the next; asked at each step."""
        # where no step was made since the last there is nothing to lose, unless that one failed
        late = time.monotonic() - self._tried_at >= self._every_seconds
        return late and (step != self._saved_step or self._missed)

    def save(self, reason: Reason, state: TrainingState, reporter: Reporter, command_id: str = "") -> str | None:
        """Make a checkpoint of the run as it is now, and tell it once the file is in place.

        A disk or a store that fails never stops the run: the user is told, once, and it is tried again later.

        Returns:
            Why none was made, or None.
        """
        self._tried_at, self._missed = time.monotonic(), True
        if self._unsaveable is not None and self._unsaveable[0] is state.schedule:
            return self._unsaveable[1]
        if not self._commit():
            return "the store can't be written at this moment"
        try:
            if not state.is_finite:
                return "the weights are not finite: a run that goes on from here diverges"
            self._write(reason, state, reporter, command_id)
        except OSError as error:
            return self._tell(
                reporter,
                f"no checkpoint can be written into {self._folder}: {error.strerror or error}. The run goes on; "
                "those that are there stay",
            )
        except Exception as error:  # what is a user's own can refuse to be saved with any exception
            words = str(error) if isinstance(error, CheckpointError) else describe_exception(error)
            self._unsaveable = state.schedule, words
            return self._tell(reporter, f"no checkpoint is made of this run, which can't be resumed then: {words}")
        self._missed, self._saved_step = False, reporter.step
        try:
            self._remove_superfluous(state)
        except (OSError, LrtuiError) as error:
            self._tell(reporter, f"old checkpoints can't be removed from {self._folder}: {error}")
        else:
            self._told = ""
        return None

    def _write(self, reason: Reason, state: TrainingState, reporter: Reporter, command_id: str) -> None:
        # torch, which takes 1.5 s to import, is there when a run trains and not when it is started
        from lrtui.training.checkpoint.format import save_checkpoint, unsaveable_part

        if not self._begun:
            remove_unfinished(self._folder)
            self._begun = True
        checkpoint = state.capture(reporter)
        ends = [*self._epoch_ends, *([checkpoint.seq] if reason == "epoch" else [])]
        checkpoint = replace(checkpoint, epoch_ends=ends)
        path = self._folder / file_name(checkpoint.seq, checkpoint.step)
        try:
            # each schedule has a state of its own kind: the first time with it shows whether it can be read again
            save_checkpoint(checkpoint, path, check=self._read_again is not state.schedule)
        except OSError:
            raise
        except Exception as error:
            part = unsaveable_part(checkpoint)
            if part is None:
                raise OSError(f"what was written can't be read again ({error})") from error
            who = f" of {state.schedule}" if "schedule" in part else ""
            raise CheckpointError(f"{part}{who} holds something else than tensors, numbers and texts") from error
        self._read_again, self._epoch_ends = state.schedule, ends
        self._files.append(SavedFile(path, checkpoint.seq, checkpoint.step, path.stat().st_size))
        reporter.say(CheckpointSaved, path=str(path), reason=reason, command_id=command_id)

    def _remove_superfluous(self, state: TrainingState) -> None:
        gone = superfluous(self._files, self._epoch_ends, state.result_at, self._limit)
        # asking takes a while: most epochs' ends have nothing that could go
        keep = self._keep() if gone else ()
        for file in gone:
            if file.path.name not in keep:
                file.path.unlink(missing_ok=True)
                self._files.remove(file)

    def _tell(self, reporter: Reporter, words: str) -> str:
        if words != self._told:
            self._told = words
            reporter.notice("checkpoint", words, level="warning")
        return words
