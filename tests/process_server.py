"""Processes of lrtui that start at once: a server that has imported PyTorch forks them.

A fresh process takes two to three seconds of CPU time to import PyTorch. A forked one has the working directory,
environment, standard streams, signals, session and exit status of a fresh one, but all modules are imported. Tests of
imports, and of the start and the end of the interpreter, use `subprocess`.

`python process_server.py SOCKET` is the server; it ends when its standard input is closed.
"""

from __future__ import annotations

import array
import atexit
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

ROOT = Path(__file__).parents[1]

ADDRESS = "LRTUI_TESTS_PROCESS_SERVER"
"""Environment variable with the server's socket, for processes that start further ones."""

FORKED_RANKS = "LRTUI_TESTS_FORKED_RANKS"
"""Environment variable with a folder: torchrun forks its processes, too, and each writes its id into the file RANK."""

PRELOADED = (
    "torch",
    # the first optimizer of a process imports it, which takes longer than most runs of the tests
    "torch._dynamo",
    # as torchrun does
    "torch.distributed.run",
    "lrtui.analysis.checks",
    "lrtui.engine.worker",
    "lrtui.opening",
    "lrtui.settings",
    "lrtui.training.train",
    "lrtui.tui.app",
    "lrtui.tui.screens.cockpit",
    *(f"lrtui.cli.{command}" for command in ("check", "find", "race", "resume", "send", "suggest", "train")),
)

START_SECONDS = 240.0

IGNORABLE = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


# -- in the process of a test -----------------------------------------------------------------------------------------


@cache
def address() -> str:
    """Return the server's socket, which exists a few seconds later; start the server if there is none."""
    if ADDRESS in os.environ:
        return os.environ[ADDRESS]
    folder = tempfile.mkdtemp(prefix="lrtui-tests-")
    path = os.path.join(folder, "server")
    process = subprocess.Popen(
        [sys.executable, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    )
    assert process.stdin is not None

    def end() -> None:
        process.stdin.close()  # type: ignore[union-attr]
        process.wait()

    atexit.register(end)
    return path


def connected() -> socket.socket:
    """Return a connection to the server, once it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(address())
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.05)


class ForkedProcess:
    """A process with the part of `subprocess.Popen`'s interface that tests and races need.

    Args:
        command: `sys.executable`, `-m`, the module and its arguments.
        stdin, stdout, stderr, text, env, start_new_session: as for `subprocess.Popen`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        text: bool = False,
        env: Mapping[str, str] | None = None,
        start_new_session: bool = False,
    ) -> None:
        assert command[:2] == [sys.executable, "-m"], command
        self.returncode: int | None = None
        self._asking = threading.Lock()
        theirs: list[int] = []
        to_close: list[int] = []

        def stream(choice: Any, number: int) -> Any:
            if choice == subprocess.PIPE:
                reading, writing = os.pipe()
                mine, other = (writing, reading) if number == 0 else (reading, writing)
                theirs.append(other)
                to_close.append(other)
                return open(mine, ("w" if number == 0 else "r") + ("" if text else "b"), -1 if number else 0)
            if choice == subprocess.DEVNULL:
                theirs.append(os.open(os.devnull, os.O_RDWR))
                to_close.append(theirs[-1])
            elif choice == subprocess.STDOUT:
                theirs.append(theirs[1])
            else:
                theirs.append(number if choice is None else choice if isinstance(choice, int) else choice.fileno())
            return None

        self.stdin, self.stdout, self.stderr = (stream(it, number) for number, it in enumerate((stdin, stdout, stderr)))
        request = {
            "command": command[2:],
            "folder": os.getcwd(),
            "environment": {**(os.environ if env is None else env), ADDRESS: address()},
            "ignored": [number for number in IGNORABLE if signal.getsignal(number) is signal.SIG_IGN],
            "new_session": start_new_session,
        }
        self._server = connected()
        self._server.sendmsg([b"#"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", theirs))])
        self._server.sendall(json.dumps(request).encode() + b"\n")
        self._answers = self._server.makefile("rb")
        self.pid = int(self._answers.readline())
        for file in to_close:
            os.close(file)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status; negative for a signal."""
        with self._asking:
            if self.returncode is None:
                if not select.select([self._server], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
                self.returncode = int(self._answers.readline())
                self._answers.close()
                self._server.close()
            return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def communicate(self, timeout: float | None = None) -> tuple[Any, Any]:
        """Close standard input, read the output to its end and return it after the end of the process."""
        if self.stdin is not None:
            self.stdin.close()
        read: dict[IO[Any], Any] = {}
        files = [file for file in (self.stdout, self.stderr) if file is not None]
        threads = [threading.Thread(target=lambda it=file: read.update({it: it.read()}), daemon=True) for file in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout)
            if thread.is_alive():
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        self.wait(timeout)
        for file in files:
            file.close()
        return read.get(self.stdout), read.get(self.stderr)

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> ForkedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        for file in (self.stdin, self.stdout, self.stderr):
            if file is not None:
                file.close()
        self.wait()

    def __del__(self) -> None:
        # without a warning, as the server reaps the process
        for file in (self.__dict__.get("_server"), self.__dict__.get("_answers")):
            if file is not None:
                file.close()


def forked_rank(args: Sequence[str], env: Mapping[str, str], **options: Any) -> ForkedProcess:
    """Start a process as torchrun does: `python -u -m MODULE`."""
    assert args[:3] == (sys.executable, "-u", "-m"), args
    return ForkedProcess([sys.executable, *args[2:]], env={**env, "PYTHONUNBUFFERED": "1"}, **options)


FORKING = SimpleNamespace(
    Popen=ForkedProcess,
    PIPE=subprocess.PIPE,
    STDOUT=subprocess.STDOUT,
    DEVNULL=subprocess.DEVNULL,
    TimeoutExpired=subprocess.TimeoutExpired,
)
"""What a module that starts processes of lrtui can use in place of `subprocess`."""


# -- the server -------------------------------------------------------------------------------------------------------


def serve(path: str) -> None:
    """Fork a process for each request until standard input is closed."""
    sys.path.insert(0, str(ROOT))
    for module in PRELOADED:
        importlib.import_module(module)
    # collected once, and not copied by a collection in each process
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in IGNORABLE:
        signal.signal(number, signal.SIG_IGN)
    clients: dict[int, socket.socket] = {}
    while True:
        ready = select.select([0, woken, listener], [], [])[0]
        if woken in ready:
            os.read(woken, 1 << 12)
            reap(clients)
        if listener in ready:
            client = listener.accept()[0]
            try:
                streams, request = receive(client)
            except (OSError, ValueError):
                # the client was killed meanwhile
                client.close()
                continue
            pid = os.fork()
            if pid == 0:
                # closed here as well, so that they close when the server closes them
                for other in (listener, *clients.values()):
                    other.close()
                signal.set_wakeup_fd(-1)
                os.close(woken)
                os.close(waking)
                become(request, streams, client)
            for stream in set(streams):
                os.close(stream)
            clients[pid] = client
        if 0 in ready and not os.read(0, 1):
            return


def receive(client: socket.socket) -> tuple[list[int], dict[str, Any]]:
    """Return the standard streams and the rest of a request."""
    streams = array.array("i")
    _, (ancillary, *_), _, _ = client.recvmsg(1, socket.CMSG_SPACE(3 * streams.itemsize))
    streams.frombytes(ancillary[2])
    with client.makefile("rb") as lines:
        return list(streams), json.loads(lines.readline())


def answer(client: socket.socket, number: int) -> None:
    # the client may have been killed
    with suppress(OSError):
        client.sendall(b"%d\n" % number)


def reap(clients: dict[int, socket.socket]) -> None:
    """Report the exit statuses of the processes that have ended."""
    while clients:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        client = clients.pop(pid)
        answer(client, os.waitstatus_to_exitcode(status))
        client.close()


# -- in a forked process ----------------------------------------------------------------------------------------------


def become(request: dict[str, Any], streams: Sequence[int], client: socket.socket) -> None:
    """Run a module like `python -m` does, and end the process."""
    status = 1
    try:
        prepare(request, streams)
        # now that a signal has its effect
        answer(client, os.getpid())
        client.close()
        module, *arguments = request["command"]
        sys.argv[1:] = arguments
        status = run(module)
    finally:
        os._exit(status)


def prepare(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Set signals, session, working directory, environment and standard streams."""
    if request["new_session"]:
        os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in IGNORABLE:
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in request["ignored"] else default)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    # numbers above those of the standard streams, which the next lines replace
    kept = [os.dup(stream) for stream in streams]
    for number, stream in enumerate(kept):
        os.dup2(stream, number)
    for stream in {*kept, *streams} - {0, 1, 2}:
        os.close(stream)
    if request["new_session"] and os.isatty(0):
        # a terminal given as standard input is the session's
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))

    def writer(number: int, errors: str, line_buffering: bool) -> io.TextIOWrapper:
        file = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        return io.TextIOWrapper(file, "utf-8", errors, "\n", line_buffering=line_buffering, write_through=unbuffered)

    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = writer(1, "strict", os.isatty(1))  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = writer(2, "backslashreplace", True)  # type: ignore[misc]
    sys.path[0] = os.getcwd()
    if threads := os.environ.get("OMP_NUM_THREADS"):
        # PyTorch reads the variable when it is imported
        import torch

        torch.set_num_threads(int(threads))
    from lrtui.distributed import local_launcher

    local_launcher.subprocess = FORKING  # type: ignore[attr-defined]
    if folder := os.environ.get(FORKED_RANKS):
        from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler

        subprocess_handler.Popen = forked_rank  # type: ignore[misc,assignment]
        if rank := os.environ.get("RANK"):
            (Path(folder) / rank).write_text(str(os.getpid()))
    address.cache_clear()


def run(module: str) -> int:
    """Run a module as `__main__`, end its threads and return the exit status."""
    # run_module warns of a module that is imported already; a package keeps its modules as attributes
    is_package = hasattr(sys.modules.get(module), "__path__")
    sys.modules.pop(f"{module}.__main__" if is_package else module, None)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        traceback.print_exc()
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        return status or 120
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
