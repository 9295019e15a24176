"""A run's place in a store: its row, its recorder, its checkpoints; nothing of it where nothing is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lrtui.engine.file_digests import user_files
from lrtui.run.commands import Command
from lrtui.run.errors import StoreError
from lrtui.run.events import Event
from lrtui.run.spec import RunSpec
from lrtui.store import run_rows
from lrtui.store.reader import checkpoint_folder
from lrtui.store.recorder import Recorder
from lrtui.store.rows import BlockBuilder, RowMaker
from lrtui.store.writer import Writer

BEGIN_SECONDS = 5.0
"""How long a run's start waits for a store that another process holds."""

COMMIT_SECONDS = 10.0
"""How long a checkpoint, or a run's end, waits for the story to be on disk."""

Tell = Callable[[str], None]


class OpenStore:
    """A store that this process writes, and whom it tells of trouble."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.listeners: list[Tell] = []
        self.writer = Writer(folder, self._tell)

    def _tell(self, words: str) -> None:
        for listener in list(self.listeners):
            listener(words)


_open: dict[Path, OpenStore] = {}
_opening = threading.Lock()


def open_store(folder: Path) -> OpenStore:
    """Return this process's only writing end of the store in the folder."""
    with _opening:
        if folder not in _open:
            _open[folder] = OpenStore(folder)
        return _open[folder]


class Recording:
    """One run's place in its store.

    Args:
        store: where it is kept.
        run: the run's id.
        receive: takes commands that other processes send.
    """

    def __init__(self, store: OpenStore, run: int, receive: Callable[[Command], object]) -> None:
        self.store, self.run, self._receive = store, run, receive
        self._recorder: Recorder | None = None
        self._tell: Tell | None = None

    @property
    def checkpoints(self) -> Path:
        """Where the run's checkpoints are."""
        return checkpoint_folder(self.store.folder, self.run)

    def record(self, tell: Tell) -> Callable[[Event], None]:
        """Keep the run from its first event on; return what takes its events.

        Args:
            tell: told of trouble with the store, in words, while the run goes on; any thread calls it.
        """
        return self._record(RowMaker(self.run, BlockBuilder()), tell)

    def record_again(self, step: int, seq: int, tell: Tell) -> Callable[[Event], None]:
        """Keep the run from a checkpoint on, what it said after it being put aside; return what takes its events.

        Args:
            step: optimizer steps done at the checkpoint.
            seq: of the last event that still holds.

        Raises:
            StoreError: where the store can't be written.
        """
        writer = self.store.writer
        writer.call(lambda connection: run_rows.reopen_run(connection, self.run, step, seq))
        maker = writer.call(
            lambda connection: RowMaker(
                self.run,
                run_rows.builder_at(connection, self.run, step),
                run_rows.best_accuracy(connection, self.run),
            )
        )
        return self._record(maker, tell)

    def _record(self, maker: RowMaker, tell: Tell) -> Callable[[Event], None]:
        self._recorder = Recorder(self.run, self.store.writer, maker, self._receive)
        self._tell = tell
        self.store.listeners.append(tell)
        self.store.writer.add(self._recorder)
        return self._recorder.publish

    def note_commit(self) -> None:
        """Write down the working directory's git commit: asking for it takes longer than a start may."""
        commit = run_rows.git_commit()
        if commit is not None:
            # a failure is told when the first events can't be written
            with suppress(StoreError):
                self.store.writer.call(lambda connection: run_rows.update(connection, self.run, git_commit=commit))

    def commit(self, seconds: float = COMMIT_SECONDS) -> bool:
        """Wait until all that the run has said is on disk; return whether it is."""
        return self._recorder is not None and self._recorder.commit(seconds)

    def starting_points(self) -> set[str]:
        """Return the names of the run's checkpoints that branches began at."""
        try:
            return self.store.writer.call(lambda connection: run_rows.starting_points(connection, self.run))
        except StoreError:
            return set()

    def finish(self) -> str:
        """Wait until the run's last word is on disk; return what could not be kept, in words, or nothing."""
        if self._tell is not None:
            self.store.listeners.remove(self._tell)
            self._tell = None
        if self._recorder is None or self.commit():
            return ""
        lost = self._recorder.dropped
        more = f" ({lost:,} of its events found no room)" if lost else ""
        return f"what the run said at last could not be kept in {self.store.folder}{more}"


def begin(
    folder: Path,
    spec: RunSpec,
    receive: Callable[[Command], object],
    *,
    parent: int | None = None,
    first_step: int = 0,
    branched_from: str | None = None,
) -> Recording:
    """Return the place of a new run.

    Args:
        folder: of the store; made where it is not there.
        receive: as `Recording` has it.
        parent: id of the run that it branches from.
        first_step: where it begins.
        branched_from: name of the parent's checkpoint.

    Raises:
        StoreError: where the store can't be written.
    """
    store, files = open_store(folder), user_files(spec)
    run = store.writer.call(
        lambda connection: run_rows.insert(
            connection, spec, files, parent=parent, first_step=first_step, branched_from=branched_from
        ),
        BEGIN_SECONDS,
    )
    return Recording(store, run, receive)
