"""The supervisor of one command: reads its terminal, records its run and carries out what the run is asked to do."""

from __future__ import annotations

import codecs
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from lrtui.run.commands import Command, Pause, Resume, Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.store.command_output import FOLDER, VARIABLE, OutputFile
from lrtui.store.location import VARIABLE as STORE_VARIABLE
from lrtui.store.location import prepare_folder
from lrtui.supervisor.command_process import SIZE, CommandProcess, Ended
from lrtui.supervisor.command_run import CommandRun, record_command
from lrtui.supervisor.terminal_lines import Line, TerminalLines

POLL_SECONDS = 0.1
"""Seconds between two looks at whether the command has ended, while it writes nothing."""

LOOK_SECONDS = 0.5
"""Seconds between two looks for attached runs, and between two writings of unfinished lines."""

QUIET_SECONDS = 1.0
"""Seconds without output after which lines that the cursor has left are final."""

DRAIN_SECONDS = 1.0
"""Seconds that the reading of the last output takes at most."""

STOP_SECONDS = 5.0
"""Seconds after which a command that has not ended is reported to whoever asked for its end."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
"""What the first Stop, the second and all others send."""


class Supervisor:
    """Runs one command until it has ended.

    Args:
        command: the program and its arguments.
        folder: folder of the store; None to record nothing.
        spec: settings of the command's run.
        size: rows and columns of the command's terminal.
        echo: takes the output as it comes; raises OSError once it can't be written.
        say: takes messages for the user.

    Raises:
        CommandNotStartedError: if the command can't be started.
        StoreError: if the store can't be written.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path | None,
        spec: RunSpec,
        *,
        size: tuple[int, int] = SIZE,
        echo: Callable[[bytes], object] | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._echo, self._say = echo, say
        self._started, self._clock = time.time(), time.monotonic()
        self._paused_at: float | None = None
        self._requests: deque[Command | signal.Signals] = deque()
        self._wake_end, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        environment = dict(os.environ)
        self._output: OutputFile | None = None
        if folder is not None:
            prepare_folder(folder)
            moment = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._started))
            self._output = OutputFile(folder / FOLDER / f"{moment}-{os.getpid()}.log")
            environment |= {VARIABLE: str(self._output.path), STORE_VARIABLE: str(folder)}
        # before the writer's thread exists: a process with threads is not forked
        self._process = CommandProcess(command, environment, size)
        self.run: CommandRun | None = None
        """The run in the store, or None."""
        if folder is not None and self._output is not None:
            try:
                self.run = record_command(
                    folder, spec, self._output.path, self._started, self._seconds, self.request, self._say
                )
            except LrtuiError:
                self._process.close()
                raise
        self._terminal = TerminalLines()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stops: list[tuple[str, float]] = []
        """Ids of the commands that asked for the end and were not answered yet, and when."""
        self._stop_count = 0
        self._stopped_by = ""
        self._last_line = ""
        self._said_trouble = False
        self._reads_values = True

    def request(self, what: Command | signal.Signals) -> None:
        """Ask for a command to be carried out or a signal to be passed on; from any thread, or a signal handler."""
        self._requests.append(what)
        with suppress(OSError):
            os.write(self._waker, b"x")

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the command's terminal."""
        self._process.resize(rows, columns)

    def supervise(self) -> Ended:
        """Read the output until the command has ended, then record its end."""
        is_open, ended = True, None
        read_at = looked_at = time.monotonic()
        while ended is None:
            files = [self._wake_end, *([self._process.terminal] if is_open else [])]
            ready = select.select(files, [], [], POLL_SECONDS)[0]
            now = time.monotonic()
            if self._process.terminal in ready:
                chunk = self._process.read()
                is_open, read_at = bool(chunk), now
                self._take(chunk)
            if self._wake_end in ready:
                os.read(self._wake_end, 1024)
            while self._requests:
                self._carry_out(self._requests.popleft())
            if now - looked_at >= LOOK_SECONDS:
                looked_at = now
                self._look(is_quiet=now - read_at > QUIET_SECONDS)
            if self._process.terminal not in ready or not is_open:
                ended = self._process.poll()
        if is_open:
            self._drain()
        self._finish(ended)
        return ended

    def _drain(self) -> None:
        """Read what the command has written last; not what a process that it has left behind goes on to write."""
        until = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < until and select.select([self._process.terminal], [], [], 0)[0]:
            chunk = self._process.read()
            if not chunk:
                return
            self._take(chunk)

    # -- output -------------------------------------------------------------------------------------------------------

    def _take(self, chunk: bytes) -> None:
        if self._echo is not None and chunk:
            try:
                self._echo(chunk)
            except OSError:
                # whoever read the output has gone, as a terminal that is closed
                self._echo = None
                self.request(signal.SIGHUP)
        self._take_lines(self._terminal.feed(self._decoder.decode(chunk)))

    def _take_lines(self, lines: Sequence[Line]) -> None:
        final = [line.text for line in lines if line.is_final]
        self._last_line = next((text.strip() for text in reversed(final) if text.strip()), self._last_line)
        if self._output is not None:
            self._output.write(final)
        if self.run is not None and self._reads_values:
            try:
                self.run.read(lines)
            except Exception as error:  # an error here would hang up on the command
                self._reads_values = False
                self.run.note(f"the output is not searched for values any more: {error!r}", is_warning=True)

    def _look(self, *, is_quiet: bool) -> None:
        """Do what need not be done at every output."""
        if is_quiet:
            self._take_lines(self._terminal.settle())
        if self._output is not None:
            # a line that is being written is finished soon
            is_shown = is_quiet or self._terminal.is_redrawn
            self._output.show_open_rows(self._terminal.open_rows if is_shown else [])
            if self._output.trouble and not self._said_trouble:
                self._said_trouble = True
                self._say(self._output.trouble)
                if self.run is not None:
                    self.run.note(self._output.trouble, is_warning=True)
        if self.run is not None and self.run.find_attached():
            self._say(f"run {self.run.attached[0]}: a script of the command has attached itself")
        now = time.monotonic()
        for stop in [stop for stop in self._stops if now - stop[1] > STOP_SECONDS]:
            self._stops.remove(stop)
            if self.run is not None:
                following = STOP_SIGNALS[min(self._stop_count, len(STOP_SIGNALS) - 1)].name
                reason = f"the command still runs {STOP_SECONDS:g} s after the signal; another stop sends {following}"
                self.run.refuse(Stop(id=stop[0]), reason)

    # -- requests -----------------------------------------------------------------------------------------------------

    def _carry_out(self, request: Command | signal.Signals) -> None:
        if isinstance(request, signal.Signals):
            self._stopped_by = self._stopped_by or "user"
            self._process.interrupt(request)
            self._note_continued()
            return
        if self.run is None:
            return
        if isinstance(request, Stop):
            number = STOP_SIGNALS[min(self._stop_count, len(STOP_SIGNALS) - 1)]
            self._stop_count += 1
            self._stopped_by = request.id
            self._stops.append((request.id, time.monotonic()))
            self.run.note(f"{number.name} sent to the command")
            self._process.interrupt(number)
            self._note_continued()
        elif isinstance(request, Pause):
            self._process.suspend(is_suspended=True)
            self._paused_at = self._paused_at or time.monotonic()
            self.run.pause(request, is_paused=True)
        elif isinstance(request, Resume):
            self._note_continued()
            self._process.suspend(is_suspended=False)
            self.run.pause(request, is_paused=False)
        else:
            self.run.refuse(request)

    def _note_continued(self) -> None:
        """Leave a pause out of the training time."""
        if self._paused_at is not None:
            self._clock += time.monotonic() - self._paused_at
            self._paused_at = None

    def _seconds(self) -> float:
        return (self._paused_at or time.monotonic()) - self._clock

    # -- the end ------------------------------------------------------------------------------------------------------

    def _finish(self, ended: Ended) -> None:
        self._take_lines([*self._terminal.feed(self._decoder.decode(b"", final=True)), *self._terminal.end()])
        self._process.close()
        if self._output is not None:
            self._output.close()
        if self.run is not None:
            self.run.find_attached()
            if trouble := self.run.finish(ended, self._last_line, self._stopped_by):
                self._say(trouble)
        for descriptor in (self._wake_end, self._waker):
            os.close(descriptor)
