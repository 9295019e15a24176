"""Workers on the nodes of a Ray cluster: one Ray task a worker, which runs the worker as a child process there."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import lrtui
from lrtui.distributed.job_files import JobFiles
from lrtui.distributed.launcher import WorkerProcess
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.signal_name import signal_name
from lrtui.tasks.task import Say
from lrtui.text.format import counted

CONNECT_SECONDS = 5.0
"""Seconds within which the head node of a cluster has to accept a connection."""

END_SECONDS = 10.0
"""Seconds that `close` waits for the workers to end."""

POLL_SECONDS = 0.1

LAST_CHARACTERS = 300
"""Length of the part of a worker's output that a message about its end has."""

OBJECT_BYTES = 100 * 2**20
"""Memory for Ray's objects in a cluster of lrtui's own, which needs none."""

ADDRESS = "RAY_ADDRESS"
"""Ray's environment variable with the address of the cluster."""

AUTHENTICATION = "RAY_AUTH_MODE"
"""Ray's environment variable for how processes of a cluster authenticate themselves: `token` or `disabled`."""

LOGS = "/tmp/ray/session_latest/logs"
"""Where Ray writes the logs of a cluster that it starts."""

# RFC 9113, 3.4: what both ends of an HTTP/2 connection, and so of gRPC, send first
HTTP2_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HTTP2_SETTINGS

# no reports to Ray's makers; Ray otherwise leaves out what .gitignore names, such as data
ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1"}

# how long the processes of a cluster outlive its head, when this process is killed; Ray's default is a minute
OF_OWN_CLUSTER = {"RAY_gcs_rpc_server_reconnect_timeout_s": "15"}


def _ray() -> Any:
    """Return Ray, which takes 0.6 s to import."""
    import ray

    return ray


def _be_silent(line: str) -> None: ...


class RayWorker:
    """A Ray task that runs the process of a worker.

    Args:
        task: Ray's reference to the task's result.
    """

    def __init__(self, task: Any) -> None:
        self._task = task
        self.ended: Future[tuple[int, str]] = task.future()

    @property
    def is_alive(self) -> bool:
        """Whether it is running, or waits to be started."""
        return not self.ended.done()

    @property
    def waiting_for(self) -> str:
        """What it may be waiting for: Ray does not say whether a task has started."""
        return "room in the Ray cluster" if self.is_alive else ""

    def end(self) -> None:
        """Cancel the task, which kills its process; returns at once."""
        # Ray may have been shut down
        with suppress(Exception):
            _ray().cancel(self._task)

    def failure(self) -> str:
        """Return how it ended, for a message; an empty string if it ended well, or has not ended."""
        if self.is_alive:
            return ""
        try:
            status, output = self.ended.result()
        except (Exception, CancelledError) as error:
            return _describe(error)
        if status == 0:
            return ""
        how = f"was killed by {signal_name(-status)}" if status < 0 else f"ended with status {status}"
        return f"its process {how}" + (f": {output}" if output else "")


class RayLauncher:
    """Starts workers as tasks of Ray, in a cluster that is running or in one of its own on this machine.

    Ray queues them until a node has room. They don't see the files of this machine, except copies of the user's.

    Args:
        address: of the cluster's head node, HOST:PORT, or `auto` for the one that runs on this machine; None for
            RAY_ADDRESS, or else a cluster of its own, which ends when it is closed.
        host: name or address by which the nodes reach this machine; None for the one that Ray uses.
        cpus, gpus: what each worker takes of a node.
        threads: torch threads of each of its processes; None for `cpus`.
        files: the user's files that the nodes get.
        say: receives a message when something takes long or has to wait.

    Raises:
        UsageError: for an address that is none, or more CPUs or GPUs than this machine has, without another one.
        LrtuiError: if there is no cluster at that address, or Ray fails.
    """

    name = "ray"
    shares_files = False

    def __init__(
        self,
        address: str | None = None,
        *,
        host: str | None = None,
        cpus: int = 1,
        gpus: float = 0.0,
        threads: int | None = None,
        files: JobFiles | None = None,
        say: Say = _be_silent,
    ) -> None:
        self._cpus, self._gpus = cpus, gpus
        # Ray would set it to the number of CPUs, or leave what the node's environment says
        self._environment = {"OMP_NUM_THREADS": str(threads or cpus)}
        if files is not None:
            self._environment |= files.environment
        self._workers: list[RayWorker] = []
        self._lock = threading.Lock()
        option, address = ("--address", address) if address else (ADDRESS, os.environ.get(ADDRESS))
        if address:
            _check_address(address, option)
        try:
            self._connect(address, files, say)
            self._check_room(address, say)
            ray = _ray()
            self.host = host or ray.util.get_node_ip_address()
            # cancelled tasks and those of a lost node are lrtui's to restart, from the last checkpoint of the run
            self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(run_process)
        except BaseException:
            self.close()
            raise

    def _connect(self, address: str | None, files: JobFiles | None, say: Say) -> None:
        if not address:
            say("starting Ray on this machine")
        for name, value in (ENVIRONMENT if address else ENVIRONMENT | OF_OWN_CLUSTER).items():
            os.environ.setdefault(name, value)
        if address and _has_token():
            # `ray start` uses the user's token if there is one, but ray.init does not
            os.environ.setdefault(AUTHENTICATION, "token")
        ray = _ray()
        # Ray writes its warnings to standard error
        logging.getLogger("ray").setLevel(logging.ERROR)
        runtime: dict[str, Any] = {"py_modules": [str(Path(lrtui.__file__).parent)], "excludes": []}
        if files is not None:
            runtime |= {"working_dir": str(files.folder), "excludes": _patterns(files)}
        own = {} if address else {"include_dashboard": False, "object_store_memory": OBJECT_BYTES}
        failure: BaseException | None = None
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            ray.init(address or "local", runtime_env=runtime, log_to_driver=False, configure_logging=False, **own)
        # Ray raises errors of many kinds, and ends the process when the cluster does not answer
        except (Exception, SystemExit) as error:
            failure = error
        finally:
            if threading.current_thread() is threading.main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)
        if failure is not None:
            if isinstance(failure, SystemExit) and failure.code == signal.SIGTERM:
                # Ray's handler took it from the one of this process
                signal.raise_signal(signal.SIGTERM)
            if address:
                text, remedy = f"the Ray cluster at {address}", "has this machine its token, if it uses one?"
            else:
                text, remedy = "Ray", f"its logs are in {LOGS}"
            raise LrtuiError(f"{text} can't be used: {_first_line(failure)} ({remedy})") from None

    def _check_room(self, address: str | None, say: Say) -> None:
        """Check that some node is large enough for a worker."""
        nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
        if any(node.get("CPU", 0) >= self._cpus and node.get("GPU", 0) >= self._gpus for node in nodes):
            return
        need = counted(self._cpus, "CPU") + (f" and {self._gpus:g} GPU" if self._gpus else "")
        if address is None:
            have = f"{nodes[0].get('CPU', 0):g} CPU and {nodes[0].get('GPU', 0):g} GPU"
            raise UsageError(f"each run needs {need}, and this machine has {have}: see --cpus and --gpus")
        say(f"no node of the Ray cluster has {need}: the runs wait until such a node joins (--cpus and --gpus)")

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], label: str) -> WorkerProcess:
        """Queue a Python process, and return immediately.

        Args:
            arguments: of the Python interpreter.
            environment: variables in addition to those that Ray sets.
            label: name of the run, which Ray shows.

        Raises:
            LrtuiError: if Ray fails.
        """
        try:
            task = self._task.options(name=label).remote(list(arguments), {**self._environment, **environment})
        except Exception as error:  # Ray raises errors of many kinds
            raise LrtuiError(f"Ray can't start a worker: {_first_line(error)}") from None
        worker = RayWorker(task)
        with self._lock:
            self._workers = [other for other in self._workers if other.is_alive] + [worker]
        return worker

    def close(self) -> None:
        """End all workers and a cluster of its own, and wait for them."""
        with self._lock:
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()
        wait([worker.ended for worker in workers], END_SECONDS)
        _ray().shutdown()


def _check_address(address: str, option: str) -> None:
    """Check that something listens at that address: Ray itself would try for minutes.

    Args:
        option: where the address comes from: the option, or the environment variable.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise UsageError(
            f"{option} takes HOST:PORT of a Ray cluster's head node, as `ray start` prints it, not {address[:60]!r}"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as connection:
            connection.settimeout(CONNECT_SECONDS)
            connection.sendall(HTTP2_HELLO)
            answer = connection.recv(len(HTTP2_SETTINGS))
    except OSError as error:
        raise LrtuiError(
            f"no Ray cluster answers at {address} ({option}): {error.strerror or error}. `ray status` says on its head "
            "node whether it is running, and `ray start --head` starts one"
        ) from None
    if answer[3:4] != HTTP2_SETTINGS[3:4] and os.environ.get("RAY_USE_TLS", "0") == "0":
        raise LrtuiError(
            f"what answers at {address} ({option}) is no Ray cluster; the address is the one that `ray start` prints"
        )


def _has_token() -> bool:
    """Return whether the user has a token for clusters of Ray, where Ray looks for it."""
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(path).is_file()


def _patterns(files: JobFiles) -> list[str]:
    """Return the folders that don't travel, in the notation of .gitignore."""
    names = ("/" + path.relative_to(files.folder).as_posix() for path in files.left_out)
    return ["".join(f"\\{sign}" if sign in r"\*?[]! #" else sign for sign in name) for name in names]


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _describe(error: BaseException) -> str:
    """Return what happened to a task that has no result."""
    exceptions = _ray().exceptions
    kinds: list[tuple[type[BaseException], str]] = [
        (exceptions.OutOfMemoryError, "its node ran out of memory, and Ray ended it"),
        (exceptions.NodeDiedError, "its node is gone"),
        (exceptions.WorkerCrashedError, "its Ray process died, or its node is gone"),
        (exceptions.TaskCancelledError, "it was cancelled"),
        (CancelledError, "it was cancelled"),
    ]
    for kind, text in kinds:
        if isinstance(error, kind):
            return text
    if isinstance(error, exceptions.RuntimeEnvSetupError):
        return f"its node can't set up the files of the run: {_first_line(error)}"
    cause = error.cause if isinstance(error, exceptions.RayTaskError) else error
    return f"Ray can't run it: {_first_line(cause)}"


# -- on the node -------------------------------------------------------------------------------------------------------


def run_process(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Run a Python process to its end; return its exit status and the last line of its output.

    The process and those that it has started are killed if the task is cancelled. All its output goes to Ray's log.
    """
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    last: deque[str] = deque(maxlen=1)
    reader = threading.Thread(target=_copy, args=(process.stdout, last), daemon=True)
    reader.start()
    try:
        # Ray cancels a task by an exception in this thread, which a wait without a limit would delay
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    reader.join(END_SECONDS)
    return process.returncode, last[0][:LAST_CHARACTERS] if last else ""


def _copy(lines: IO[str], last: deque[str]) -> None:
    for line in lines:
        if line.strip():
            last.append(line.strip())
        sys.stdout.write(line)
