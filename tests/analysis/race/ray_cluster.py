"""A real Ray cluster of two nodes on this machine, each of which can be killed."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

SECONDS = 300.0
"""How long a test waits for something that takes seconds."""

OBJECT_BYTES = 80_000_000


class Node:
    """A node of the cluster.

    Args:
        arguments: of `ray start`.
        environment: of its processes.
        output: file with what it prints.
    """

    def __init__(self, arguments: list[str], environment: dict[str, str], output: Path) -> None:
        common = ["--block", "--disable-usage-stats", f"--object-store-memory={OBJECT_BYTES}"]
        # two nodes of one machine would choose the same ports
        common += ["--min-worker-port=0", "--max-worker-port=0"]
        with open(output, "wb") as file:
            self._process = psutil.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *common, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether its first process is running."""
        return self._process.poll() is None

    @property
    def processes(self) -> list[psutil.Process]:
        """All its processes that are running, with those that they have started."""
        with suppress(psutil.NoSuchProcess):
            return [self._process, *self._process.children(recursive=True)]
        return []

    def commands(self, part: str) -> list[str]:
        """Return the command lines of its processes that contain this text."""
        found = []
        for process in self.processes:
            with suppress(psutil.Error):
                if part in (line := " ".join(process.cmdline())):
                    found.append(line)
        return found

    def kill(self) -> None:
        """Kill all its processes at once, as when a machine fails."""
        processes = self.processes
        for process in processes:
            with suppress(psutil.Error):
                process.suspend()
        # a process that was started meanwhile has a parent that is suspended now
        for process in {*processes, *self.processes}:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, SECONDS)


class RayCluster:
    """A cluster of a head with room for two runs, and a second node with room for one."""

    def __init__(self) -> None:
        # the paths of sockets are limited to 107 characters
        self.folder = Path(tempfile.mkdtemp(prefix="lrtui-ray-"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        # Ray would otherwise write a token to the user's home
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "PYTHONWARNINGS": "ignore",
        }
        head = ["--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false"]
        self._nodes: list[Node] = []
        try:
            self.head = self._start([*head, f"--temp-dir={self.folder / 'ray'}"], "head")
            self.start_second()
        except BaseException:
            self.end()
            raise

    def start_second(self) -> None:
        """Start the second node, also again after it was killed."""
        # Ray unpacks what travels below this folder, and replaces it for each node
        folder = f"--temp-dir={self.folder / 'ray2'}"
        self.second = self._start([f"--address={self.address}", "--num-cpus=1", folder], "second")

    def _start(self, arguments: list[str], name: str) -> Node:
        """Return a node that has started; on a busy machine Ray may give up after 30 seconds."""
        output, until = self.folder / name, time.monotonic() + SECONDS
        while True:
            self._nodes.append(node := Node(arguments, self.environment, output))
            wait_for(lambda: "Ray runtime started" in output.read_text() or not node.is_running)
            if node.is_running:
                return node
            assert time.monotonic() < until, output.read_text()

    def end(self) -> None:
        """Kill all processes, and check that none is left."""
        for node in reversed(self._nodes):
            node.kill()
        left = [line for process in psutil.process_iter() if str(self.folder) in (line := command_line(process))]
        shutil.rmtree(self.folder, ignore_errors=True)
        assert not left


def command_line(process: psutil.Process) -> str:
    """Return the command line of a process; empty for one that has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def wait_for(condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
