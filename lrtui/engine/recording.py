"""The recording of one run in a store: its row, its events, its checkpoints."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError, StoreError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_schedule
from lrtui.store import run_rows
from lrtui.store.reader import checkpoint_folder
from lrtui.store.recorder import Recorder
from lrtui.store.rows import BlockBuilder, RowMaker
from lrtui.store.writer import Report, Writer

if TYPE_CHECKING:
    from lrtui.engine.resume import ResumePlan

START_SECONDS = 5.0
"""Seconds that the start of a run waits for a store that another process has locked."""

COMMIT_SECONDS = 10.0
"""Seconds that a checkpoint, or the end of a run, waits until the events are on disk."""

Receive = Callable[[Command], object]

_writers: dict[Path, Writer] = {}
_writers_lock = threading.Lock()


def open_writer(folder: Path) -> Writer:
    """Return this process's only writer of the store in the folder."""
    with _writers_lock:
        if folder not in _writers:
            _writers[folder] = Writer(folder)
        return _writers[folder]


class Recording:
    """One run in its store.

    Args:
        writer: writer of the store.
        recorder: takes the run's events.
        report: receives failures of the store during the run; called by the writer's thread.
    """

    def __init__(self, writer: Writer, recorder: Recorder, report: Report) -> None:
        self._writer, self._recorder, self._report = writer, recorder, report
        self.run, self.folder = recorder.run, writer.folder
        self.publish = recorder.publish
        """Takes an event; neither blocks nor raises."""
        writer.listeners.append(report)
        writer.add(recorder)

    @classmethod
    def of_new_run(
        cls, folder: Path, spec: RunSpec, receive: Receive, report: Report, branch: ResumePlan | None = None
    ) -> Recording:
        """Add a run to the store in the folder, which is created if need be.

        Args:
            receive: takes commands that other processes send.
            branch: the parent and its checkpoint, if the run is a branch.

        Raises:
            StoreError: if the store can't be written.
        """
        writer, files = open_writer(folder), user_files(spec)
        run = writer.call(
            lambda connection: run_rows.insert(
                connection,
                spec,
                files,
                parent=branch.run.id if branch else None,
                first_step=branch.file.step if branch else 0,
                branched_from=branch.file.path.name if branch else None,
            ),
            START_SECONDS,
        )
        return cls(writer, Recorder(run, writer, RowMaker(run, BlockBuilder()), receive), report)

    @classmethod
    def of_resumed_run(cls, plan: ResumePlan, receive: Receive, report: Report) -> Recording:
        """Continue the recording of a stored run; its row is updated when the run has started."""
        writer, run, file = open_writer(plan.folder), plan.run.id, plan.file
        recorder = Recorder(
            run,
            writer,
            None,
            receive,
            reopen=lambda connection: run_rows.reopen_run(connection, run, file.step, file.seq),
        )
        return cls(writer, recorder, report)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return checkpoint_folder(self.folder, self.run)

    def record_git_commit(self) -> None:
        """Record the git commit of the working directory; takes some 10 ms, which a start does not wait for."""
        if (commit := run_rows.git_commit()) is not None:
            self._writer.submit(lambda connection: run_rows.update(connection, self.run, git_commit=commit))

    def commit(self, seconds: float = COMMIT_SECONDS) -> bool:
        """Wait until all published events are on disk; return whether they are."""
        return self._recorder.commit(seconds)

    def branch_checkpoints(self) -> set[str]:
        """Return the file names of the run's checkpoints that branches started from."""
        try:
            return self._writer.call(lambda connection: run_rows.branch_checkpoints(connection, self.run))
        except StoreError:
            return set()

    def finish(self) -> str:
        """Wait until the last event is on disk; return what could not be recorded, as a message, or an empty string."""
        with suppress(ValueError):
            self._writer.listeners.remove(self._report)
        if self.commit():
            return ""
        dropped = self._recorder.dropped
        more = f" ({dropped:,} of its events were dropped)" if dropped else ""
        return f"the run's last events could not be written to {self.folder}{more}"


def user_files(spec: RunSpec) -> dict[str, str]:
    """Return the SHA-256 of each file that the task and the schedule come from, by path; none is executed.

    The digest of a missing file is "missing".
    """
    names = [spec.task.rpartition(":")[0]]
    # a schedule that can't be parsed is reported later, when the run parses it
    with suppress(LrtuiError):
        names += [schedule.user_path or "" for schedule in parse_schedule(spec.schedule).walk()]
    return {name: _digest(Path(name).expanduser()) for name in names if name.endswith(".py")}


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "missing"
