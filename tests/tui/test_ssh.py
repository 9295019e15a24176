"""The cockpit over a real SSH connection: one that breaks, and one that the user closes.

A deep test, since it needs an installed SSH server: sshd on the loopback interface, with separate keys and settings, as
the user who runs the tests.
"""

from __future__ import annotations

import csv
import getpass
import io
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_port import free_port
from terminal import COCKPIT, LEAVES_ALTERNATE_SCREEN, Terminal
from test_terminal import wait_for_run
from training_runs import TINY
from waiting import SECONDS, wait_for

from lrtui.engine.resume import interrupted_run

SSH, KEYGEN = shutil.which("ssh"), shutil.which("ssh-keygen")
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))

pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(not (SSH and KEYGEN and SSHD), reason="needs an OpenSSH server: apt-get install openssh-server"),
]

RUN = ("--task", TINY.replace(":Tiny", ":Slow"), "--batch-size", "16", "--epochs", "100", "--device", "cpu")
STEPS = 600


class Server:
    """An SSH server for the test.

    Args:
        folder: for its keys and settings.
    """

    def __init__(self, folder: Path) -> None:
        assert KEYGEN is not None
        assert SSHD is not None
        self._folder = folder
        folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            subprocess.run([KEYGEN, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        self.port = free_port()
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\n"
            f"AuthorizedKeysFile {folder / 'user.pub'}\nPidFile none\nUsePAM no\nStrictModes no\n"
            "PasswordAuthentication no\nPermitRootLogin prohibit-password\n"
        )
        if os.getuid() == 0:
            # the folder of its unprivileged process, which is normally created when the service starts
            Path("/run/sshd").mkdir(exist_ok=True)
        with open(folder / "log", "wb") as log:
            self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        wait_for(self._answers, (folder / "log").read_text)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def cockpit(self, *arguments: str) -> Terminal:
        """Log in with a terminal of 80x24 and open the cockpit in this process's working directory."""
        variables = {name: os.environ[name] for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "OMP_NUM_THREADS")}
        remote = [
            "env",
            "LANG=C.UTF-8",
            *(f"{name}={value}" for name, value in variables.items()),
            *COCKPIT,
            *arguments,
        ]
        options = (
            *("-tt", "-F", "none", "-p", str(self.port), "-i", str(self._folder / "user"), "-o", "IdentitiesOnly=yes"),
            *("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self._folder / 'known'}"),
            *("-o", "LogLevel=ERROR", f"{getpass.getuser()}@127.0.0.1"),
        )
        there = f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(remote)}"
        return Terminal(there, program=(str(SSH), *options), size=(80, 24))

    def close(self) -> None:
        """Stop the server."""
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "ssh")
    yield server
    server.close()


def wait_process_gone(pid: int) -> None:
    process = Path(f"/proc/{pid}")
    wait_for(lambda: not process.exists(), (process / "stat").read_text)


def lrtui(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "lrtui", *arguments], check=True, capture_output=True, text=True
    ).stdout


def curve(store: Path) -> list[tuple[str, str, str]]:
    """Return step, loss and lr of each batch of run 1, as they are exported."""
    rows = csv.DictReader(io.StringIO(lrtui("runs", "export", "1", "--format", "csv", "--store", str(store))))
    return [(row["step"], row["loss"], row["lr"]) for row in rows]


def test_a_broken_connection_loses_nothing(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "store"
    lrtui("train", "StepLR(30)", *RUN, "--store", str(tmp_path / "uncut"), "--quiet")
    client = server.cockpit("StepLR(30)", *RUN, "--store", str(store))
    client.read_until(b"help")
    assert client.read(SECONDS, (store / "runs.db").exists)
    run = wait_for_run(store, lambda run: run.step >= 60)
    client.kill()
    assert run.process.pid is not None
    wait_process_gone(run.process.pid)
    cut = wait_for_run(store, lambda run: run.state != "running")
    assert 60 <= cut.step < STEPS
    plan = interrupted_run(store)
    assert plan is not None
    # saved at its current step, not at the last epoch's end
    assert plan.file.step == cut.step

    client = server.cockpit("--store", str(store))
    client.read_until(b"resume it here")
    client.press("\r")
    done = wait_for_run(store, lambda run: run.state == "done")
    assert done.step == STEPS
    client.press("q")
    assert client.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in client.written
    assert curve(store) == curve(tmp_path / "uncut")


def test_a_run_continues_after_its_user_has_logged_out(server: Server, tmp_path: Path) -> None:
    store = tmp_path / "store"
    client = server.cockpit("StepLR(30)", *RUN, "--store", str(store))
    client.read_until(b"help")
    assert client.read(SECONDS, (store / "runs.db").exists)
    wait_for_run(store, lambda run: run.step >= 30)
    client.press("q")
    client.read_until(b"continue it in the background")
    client.press("g")
    # the connection closes although the run continues, since the run does not keep the terminal open
    assert client.wait_gone() == 0
    assert b"run 1 continues in process" in client.written
    left = wait_for_run(store, lambda run: run.state == "running")
    assert left.step < STEPS
    done = wait_for_run(store, lambda run: run.state == "done")
    assert done.step == STEPS
    assert done.process.pid is not None
    wait_process_gone(done.process.pid)
