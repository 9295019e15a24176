"""The recording of one run in a store: its row, its events, its checkpoints."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from lrtui.run.checkpoint_name import CHECKPOINT_NAME
from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError, StoreError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.store import run_rows
from lrtui.store.location import DATABASE
from lrtui.store.reader import checkpoint_folder, read_at_once
from lrtui.store.recorder import Recorder, taken_text
from lrtui.store.rows import RowMaker
from lrtui.store.step_rows import BlockSummaries
from lrtui.store.writer import Report, Writer
from lrtui.training.checkpoint.files import UID_PREFIX, SavedFile, belongs_to, saved_files, set_aside
from lrtui.training.checkpoint.policy import Checkpoints

if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan

COMMIT_SECONDS = 10.0
"""Seconds that the end of a run waits until the events are on disk."""

LOCKED_SECONDS = 90.0
"""Seconds that the end of a run waits for a store that another process keeps locked."""

Receive = Callable[[Command], object]
Lose = Callable[[str], object]

_writers: dict[Path, Writer] = {}
_users: Counter[Path] = Counter()
"""How many recordings use the writer of each store: one that starts or withdraws has nothing for it to write."""
_writers_lock = threading.Lock()


_writers_of_parent: dict[Path, Writer] = {}
"""Those that were open when this process was forked. SQLite's connections must neither be used nor closed in it."""


def _leave_writers_to_parent() -> None:
    _writers_of_parent.update(_writers)
    _writers.clear()
    _users.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_writers_to_parent)


@contextmanager
def opened_writer(folder: Path) -> Iterator[Writer]:
    """Yield this process's only writer of the store in the folder, which a recording made in the block uses till its
    end.

    Raises:
        StoreError: in a process that was forked while its parent had the store open.
    """
    if folder in _writers_of_parent:
        # SQLite keeps its locks in memory, as they were at the fork (sqlite.org/howtocorrupt.html)
        raise StoreError(
            f"{folder / DATABASE} was open in the process that forked this one, which SQLite does not allow: start "
            'the process with the method "spawn"'
        )
    with _writers_lock:
        if folder not in _writers:
            _writers[folder] = Writer(folder)
        _users[folder] += 1
        writer = _writers[folder]
    try:
        yield writer
    except BaseException:
        with _writers_lock:
            _users[folder] -= 1
        raise


class Recording:
    """One run in its store.

    Args:
        writer: writer of the store.
        recorder: takes the run's events.
        report: receives failures of the store during the run; called by the writer's thread.
        uid: of the run; empty for a run of an earlier lrtui.
    """

    def __init__(self, writer: Writer, recorder: Recorder, report: Report, uid: str = "") -> None:
        self._writer, self._recorder, self._report, self.uid = writer, recorder, report, uid
        self.run, self.folder = recorder.run, writer.folder
        self._removable: set[str] = set()
        self.publish = recorder.publish
        """Takes an event, or a block of steps; neither blocks nor raises."""
        writer.listeners.append(report)
        writer.add(recorder)

    @classmethod
    def of_new_run(
        cls,
        folder: Path,
        spec: RunSpec,
        receive: Receive,
        report: Report,
        seconds: float,
        branch: ResumePlan | None = None,
        lose: Lose = str,
    ) -> Recording:
        """Add a run to the store in the folder, which is created if need be.

        Args:
            receive: takes commands that other processes send.
            seconds: how long to wait for the store.
            branch: the parent and its checkpoint, if the run is a branch.
            lose: receives the reason if another process takes the run over; called by the writer's thread.

        Raises:
            StoreError: if the store can't be written.
        """
        files = user_files(spec)
        uid, owner = UID_PREFIX + uuid4().hex, uuid4().hex
        with opened_writer(folder) as writer:
            run = writer.call(
                lambda connection: run_rows.insert(
                    connection,
                    spec,
                    files,
                    parent=branch.run.id if branch else None,
                    first_step=branch.file.step if branch else 0,
                    branched_from=branch.file.path.name if branch else None,
                    uid=uid,
                    owner=owner,
                ),
                seconds,
                report,
            )
        recorder = Recorder(run, writer, RowMaker(run, BlockSummaries()), receive, owner=owner, lose=lose)
        recording = cls(writer, recorder, report, uid)
        # ids are never used twice, so checkpoints there belong to a database that was deleted
        recording._set_aside(saved_files(recording.checkpoints))
        return recording

    @classmethod
    def of_resumed_run(
        cls,
        plan: ResumePlan,
        receive: Receive,
        report: Report,
        seconds: float,
        lose: Lose = str,
    ) -> Recording:
        """Claim a stored run and continue its recording; its history is updated when the run has started.

        Args:
            receive: takes commands that other processes send.
            seconds: how long to wait for the store.
            lose: receives the reason if another process takes the run over; called by the writer's thread.

        Raises:
            UsageError: if another process has claimed the run.
            StoreError: if the store can't be written.
        """
        run, file, owner = plan.run.id, plan.file, uuid4().hex
        with opened_writer(plan.folder) as writer:
            before = writer.call(
                lambda connection: run_rows.claim_run(connection, run, plan.run.owner, owner), seconds, report
            )
        recorder = Recorder(
            run,
            writer,
            None,
            receive,
            reopen=lambda connection: run_rows.reopen_run(connection, run, file.step, file.seq),
            owner=owner,
            release=lambda connection: run_rows.release_run(connection, run, before),
            lose=lose,
        )
        recording = cls(writer, recorder, report, plan.run.uid)
        files = saved_files(recording.checkpoints)
        recording._set_aside([each for each in files if not belongs_to(each.path, plan.run.uid)])
        return recording

    def _set_aside(self, files: Sequence[SavedFile]) -> None:
        """Move checkpoints of other runs out of the run's folder, and say so."""
        try:
            other = set_aside(self.checkpoints, files)
        except OSError as error:
            self._report(f"{self.checkpoints} has checkpoints of another run that can't be moved: {error.strerror}")
        else:
            if other is not None:
                self._report(f"{self.checkpoints} had checkpoints of another run; they are in {other} now")

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return checkpoint_folder(self.folder, self.run)

    def checkpoint_policy(self, every_seconds: float) -> Checkpoints:
        """Return the policy of the run's checkpoints; `every_seconds` lie between two of them."""
        return Checkpoints(
            self.checkpoints,
            every_seconds=every_seconds,
            run_uid=self.uid,
            check_owner=self.check_owner,
            is_stored=self.is_stored,
            protected=self.branch_checkpoints,
        )

    def record_git_commit(self) -> None:
        """Record the git commit of the working directory; takes some 10 ms, which a start does not wait for."""
        if (commit := run_rows.git_commit()) is not None:
            self._writer.submit(lambda connection: run_rows.update(connection, self.run, git_commit=commit))

    def commit(self, seconds: float = COMMIT_SECONDS) -> bool:
        """Wait until all published events are on disk; return whether they are."""
        return self._recorder.commit(seconds)

    def branch_checkpoints(self) -> set[str] | None:
        """Return the file names of the run's checkpoints that branches started from; None if the store is locked."""
        query = "SELECT branched_from FROM runs WHERE parent = ? AND branched_from NOT NULL"
        rows = read_at_once(self.folder, query, (self.run,))
        return None if rows is None else {name for (name,) in rows}

    @property
    def stored_seq(self) -> int:
        """`seq` of the newest event of this recording on disk, or -1."""
        return self._recorder.stored_seq

    @property
    def seconds_to_write(self) -> float:
        """Seconds that the store took to write what the runs of this process had published last."""
        return self._writer.seconds_taken

    def listen(self, listener: Callable[[], object]) -> None:
        """Call the function in the writer's thread when events were written or could not be; it must not block."""
        self._recorder.listener = listener

    @property
    def published(self) -> int:
        """Number of events that this recording was given."""
        return self._recorder.published

    @property
    def settled(self) -> int:
        """Number of them that are on disk, or will never be."""
        return self._recorder.settled

    def try_again(self) -> None:
        """Try now to write what could not be written."""
        self._recorder.expect_attempt()
        self._writer.retry_now()

    def is_stuck(self, seconds: float) -> bool:
        """Return whether events can't be written; a store that another process has locked may keep them longer.

        Args:
            seconds: how long the caller has waited for it.
        """
        is_failing = self._recorder.is_failing and not self._writer.is_locked_out
        return is_failing or seconds > LOCKED_SECONDS

    def is_stored(self, seq: int) -> bool:
        """Return whether the event with this seq is on disk."""
        return seq <= self._recorder.stored_seq

    def remove_checkpoints(self, names: Iterable[str]) -> None:
        """Remove checkpoints of the run that it does not need any more, except those that branches started from.

        Those that can't be removed now are tried again with the next ones.
        """
        self._removable.update(name for name in names if CHECKPOINT_NAME.fullmatch(name))
        protected = self.branch_checkpoints() if self._removable else None
        if protected is not None:
            for name in self._removable - protected:
                with suppress(OSError):
                    (self.checkpoints / name).unlink(missing_ok=True)
                    self._removable.discard(name)

    def check_owner(self) -> None:
        """Do nothing while this process owns the run, or if that can't be found out without waiting.

        Raises:
            StoreError: if another process has taken the run over, or has deleted it.
        """
        query = "SELECT owner FROM runs WHERE id = ? AND uid = ?"
        if self._recorder.lost:
            raise StoreError(self._recorder.lost)
        rows = read_at_once(self.folder, query, (self.run, self.uid))
        if rows and rows[0][0] != self._recorder.owner:
            raise StoreError(taken_text(self.run))

    def finish(self, seconds: float = LOCKED_SECONDS) -> str:
        """Wait until the last event is on disk; return what could not be recorded, as a message, or an empty string.

        Args:
            seconds: how long to wait for a store that another process keeps locked.
        """
        with suppress(ValueError):
            self._writer.listeners.remove(self._report)
        if self._commit_finally(seconds):
            return self._recorder.lost
        dropped = self._recorder.dropped
        more = f" ({dropped:,} of its events were dropped)" if dropped else ""
        return f"the run's last events could not be written to {self.folder}{more}"

    def close(self) -> None:
        """End the writer's thread and close the database, if everything is written; call `finish` first.

        A store that can't be written at the moment stays open, and writing is tried again.
        """
        self._writer.remove(self._recorder)
        with _writers_lock:
            _users[self.folder] -= 1
            if not _users[self.folder] and self._writer.is_idle and self._writer.close():
                _writers.pop(self.folder, None)

    def withdraw(self, seconds: float = LOCKED_SECONDS) -> None:
        """Delete the row of a new run that has not begun; call `finish` first.

        Args:
            seconds: how long to wait for a store that another process keeps locked.
        """
        query, which = "DELETE FROM runs WHERE id = ? AND owner = ?", (self.run, self._recorder.owner)
        with suppress(StoreError):
            self._writer.call(lambda connection: connection.execute(query, which), seconds)

    def _commit_finally(self, seconds: float) -> bool:
        """Wait until the last event is on disk, and try again if the last attempt failed; return whether it is."""
        until = time.monotonic() + seconds
        # the first attempt may be one that is failing already
        is_first = True
        while not self._try_commit(min(seconds, COMMIT_SECONDS)):
            # the writer is still waiting for a lock, or has just given up
            is_locked = not self._recorder.is_failing or self._writer.is_locked_out
            if self._recorder.dropped or time.monotonic() > until or not (is_first or is_locked):
                return False
            is_first = False
        return True

    def _try_commit(self, seconds: float) -> bool:
        self.try_again()
        return self.commit(seconds)


def user_files(spec: RunSpec) -> dict[str, str]:
    """Return the SHA-256 of each file that the task and the schedule come from, by path; none is executed.

    The digest of a missing file is "missing".
    """
    return {name: _digest(Path(name).expanduser()) for name in user_code(spec) if name.endswith(".py")}


def user_code(spec: RunSpec) -> list[str]:
    """Return the files and modules that the task, the schedule and the optimizer come from, if they are the user's."""
    names = [spec.task.rpartition(":")[0]]
    # a schedule or optimizer that can't be parsed is reported later, when the run parses it
    with suppress(LrtuiError):
        names += [schedule.user_path or "" for schedule in parse_schedule(spec.schedule).walk()]
    with suppress(LrtuiError):
        names.append(parse_optimizer(spec.optimizer).path or "")
    return [name for name in names if name]


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
