"""When a run's checkpoints are made and removed. Imports no torch, so that starting a run stays quick."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.errors import CheckpointError, LrtuiError, StoreError, describe_exception
from lrtui.run.events import CheckpointSaved
from lrtui.training.checkpoint.files import SavedFile, files_to_remove, own_files, remove_unfinished
from lrtui.training.reporter import Reporter

if TYPE_CHECKING:
    from lrtui.schedules.schedule import Schedule
    from lrtui.training.checkpoint.format import Checkpoint
    from lrtui.training.checkpoint.state import TrainingState

Reason = Literal["epoch", "time", "pause", "stop", "change", "command"]

TOTAL_LIMIT_BYTES = 2_000_000_000
"""Size of a run's checkpoints above which those of early epochs are removed."""


class Checkpoints:
    """The checkpoints of one run; used by its training thread.

    Args:
        folder: folder of the files, created when needed; None makes no checkpoints.
        every_seconds: wall time between two checkpoints, in addition to those at epoch ends.
        run_uid: of the run; written to each checkpoint.
        check_owner: raises a StoreError once another process owns the run; called before a file gets its name.
        is_stored: returns whether the event with this `seq` is on disk; until then an older checkpoint is kept.
        protected: returns the names of files that must stay, such as those that branches start from; None if that is
            not known at the moment.
        remove: removes a file.
        total_limit_bytes: size of all files above which those of early epochs are removed.
    """

    def __init__(
        self,
        folder: Path | None = None,
        every_seconds: float = 30.0,
        *,
        run_uid: str = "",
        check_owner: Callable[[], object] = lambda: None,
        is_stored: Callable[[int], bool] = lambda seq: True,
        protected: Callable[[], Collection[str] | None] = tuple,
        remove: Callable[[Path], object] = lambda path: path.unlink(missing_ok=True),
        total_limit_bytes: int = TOTAL_LIMIT_BYTES,
    ) -> None:
        self._folder, self._every_seconds = folder, every_seconds
        self.check_owner, self._is_stored = check_owner, is_stored
        self._run_uid, self._protected, self._limit = run_uid, protected, total_limit_bytes
        self._remove = remove
        self._state: TrainingState | None = None
        self._files: list[SavedFile] = []
        self._epoch_ends: list[int] = []
        self._tried_at = time.monotonic()
        self._last_failed = self._has_cleaned_up = False
        self._saved_step = 0
        self._last_warning = ""
        # the schedule whose state has been verified, and the one whose state can't be saved
        self._verified: Schedule | None = None
        self._unsaveable: tuple[Schedule, str] | None = None
        self._unsaved_parts: list[str] = []

    def resume_from(self, checkpoint: Checkpoint) -> None:
        """Continue with the files that the run had at this checkpoint; later ones belong to superseded history."""
        if self._folder is not None:
            self._files = [file for file in own_files(self._folder, checkpoint.run_uid) if file.seq <= checkpoint.seq]
        self._epoch_ends = list(checkpoint.epoch_ends)
        self._saved_step = checkpoint.step
        self._unsaved_parts = list(checkpoint.unsaved)

    def is_due(self, step: int) -> bool:
        """Return whether it is time for the next one; called at each step."""
        # if no step was made since the last checkpoint there is nothing to save, unless that one failed
        is_late = self._folder is not None and time.monotonic() - self._tried_at >= self._every_seconds
        return is_late and (step != self._saved_step or self._last_failed)

    def save(self, reason: Reason, state: TrainingState, reporter: Reporter, command_id: str = "") -> str | None:
        """Save a checkpoint of the run's current state, then publish it.

        Buffered losses must be published first. A failing disk or store never stops the run: the user is warned
        once, and the next checkpoint tries again. The time it takes doesn't count as training.

        Returns:
            The reason if none was saved, or None.
        """
        state.gather()
        if self._folder is None:
            return "this run is not recorded: start it with --store to save checkpoints"
        started_at = reporter.clock.seconds
        refusal = self._save(self._folder, reason, state, reporter, command_id)
        state.progress.seconds_excluded += reporter.clock.seconds - started_at
        return refusal

    def _save(
        self, folder: Path, reason: Reason, state: TrainingState, reporter: Reporter, command_id: str
    ) -> str | None:
        self._tried_at, self._last_failed = time.monotonic(), True
        if self._unsaveable is not None and self._unsaveable[0] is state.schedule:
            return self._unsaveable[1]
        self.check_owner()
        self._state = state
        try:
            if not state.is_finite:
                return "the weights are not finite: a run resumed from here diverges"
            self._write(folder, reason, state, reporter, command_id)
        except StoreError:
            raise
        except OSError as error:
            return self._warn(
                reporter,
                f"no checkpoint can be written into {folder}: {error.strerror or error}. Training continues; "
                "earlier checkpoints are kept",
            )
        except Exception as error:  # a user's objects can raise anything when they are saved
            text = str(error) if isinstance(error, CheckpointError) else describe_exception(error)
            self._unsaveable = state.schedule, text
            return self._warn(reporter, f"no checkpoints are saved, so this run can't be resumed: {text}")
        self._last_failed, self._saved_step = False, reporter.step
        try:
            self.remove_old_files()
        except (OSError, LrtuiError) as error:
            self._warn(reporter, f"old checkpoints can't be removed from {folder}: {error}")
        else:
            self._last_warning = ""
        return None

    def _write(self, folder: Path, reason: Reason, state: TrainingState, reporter: Reporter, command_id: str) -> None:
        # torch takes 1.5 s to import; it is loaded when a run trains, but not yet when it is started
        from lrtui.training.checkpoint.format import save_checkpoint, unsaveable_part
        from lrtui.training.task_state import unsaved_text

        if not self._has_cleaned_up:
            remove_unfinished(folder)
            self._has_cleaned_up = True
        checkpoint = state.capture(reporter)
        epoch_ends = [*self._epoch_ends, *([checkpoint.seq] if reason == "epoch" else [])]
        checkpoint = replace(checkpoint, epoch_ends=epoch_ends, run_uid=self._run_uid)
        path = folder / checkpoint_name(checkpoint.seq, checkpoint.step)
        try:
            # states differ between schedules: the first checkpoint of each is read back
            save_checkpoint(
                checkpoint, path, check=self._verified is not state.schedule, before_replace=self.check_owner
            )
        except (OSError, StoreError):
            raise
        except Exception as error:
            part = unsaveable_part(checkpoint)
            if part is None:
                raise OSError(f"the file can't be read back ({error})") from error
            owner = f" of {state.schedule}" if "schedule" in part else ""
            raise CheckpointError(f"{part}{owner} contains objects other than tensors, numbers and strings") from error
        self._verified, self._epoch_ends = state.schedule, epoch_ends
        self._files.append(SavedFile(path, checkpoint.seq, checkpoint.step, path.stat().st_size))
        reporter.publish(CheckpointSaved, path=str(path), reason=reason, command_id=command_id)
        if unsaved := [name for name in checkpoint.unsaved if name not in self._unsaved_parts]:
            self._unsaved_parts += unsaved
            reporter.notice("checkpoint", unsaved_text(unsaved), level="warning")

    def remove_old_files(self) -> None:
        """Remove the files that are not needed any more.

        Raises:
            OSError: if one can't be removed.
        """
        if self._state is None:
            return
        # a run resumes from the newest checkpoint whose events are stored
        known = [file for file in self._files if self._is_stored(file.seq)]
        removable = files_to_remove(known, self._epoch_ends, self._state.result_at, self._limit, self._state.objective)
        # a query takes time, and at most epoch ends there is nothing to remove
        protected = self._protected() if removable else ()
        for file in removable:
            if protected is not None and file.path.name not in protected:
                self._remove(file.path)
                self._files.remove(file)

    def _warn(self, reporter: Reporter, text: str) -> str:
        if text != self._last_warning:
            self._last_warning = text
            reporter.notice("checkpoint", text, level="warning")
        return text
