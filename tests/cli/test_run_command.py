"""`lrtui run` without a cockpit, and what it refuses."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from lrtui.__main__ import main
from lrtui.store.connection import open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.reader import StoredRun, all_runs


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LRTUI_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def runs_of(folder: Path) -> list[StoredRun]:
    connection = open_for_reading(folder)
    try:
        return all_runs(connection)
    finally:
        connection.close()


def test_the_output_and_the_exit_status_are_those_of_the_command(
    store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["run", "--name", "mine", "--", "sh", "-c", 'echo "loss: 0.5"; printf "\\033[1mend"; exit 3', "--epochs"])
        == 3
    )
    printed = capfd.readouterr()
    assert printed.out == "loss: 0.5\n\x1b[1mend"
    assert printed.err.splitlines() == [
        "run 1: sh; lrtui shows it in another terminal",
        "run 1: exit status 3; lrtui runs show 1 shows it",
    ]
    [run] = runs_of(store)
    assert (run.name, run.state, run.loss, run.error) == ("mine", "failed", 0.5, "exit status 3: end")
    assert main(["runs", "show", "1"]) == 0
    assert "output/" in capfd.readouterr().out


def test_options_after_the_command_are_the_commands_own(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--headless", "echo", "--name", "--store", "-x"]) == 0
    assert capfd.readouterr().out == "--name --store -x\n"
    assert main(["run", "--store", "none", "--", "echo", "--", "-x"]) == 0
    assert capfd.readouterr().out == "-- -x\n"
    assert len(runs_of(store)) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["no-such-command", "-x"], 127, "lrtui run: no-such-command: command not found"),
        (["/"], 126, "lrtui run: / is a folder; try: lrtui run -- python /"),
        ([], 2, "lrtui run: Missing argument 'COMMAND...'."),
        (["--nonsense", "echo"], 2, "lrtui run: No such option '--nonsense'."),
        (["--name", "\udcff", "echo"], 2, "lrtui run: --name takes text, not undecodable bytes"),
    ],
)
def test_what_can_not_be_started_is_reported_and_not_recorded(
    arguments: list[str], status: int, message: str, store: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *arguments]) == status
    printed = capfd.readouterr()
    assert (printed.out, printed.err.splitlines()[0].startswith(message)) == ("", True), printed.err
    assert not (store / DATABASE).exists()


def test_ctrl_c_goes_to_the_command(store: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        while not (store / "output").exists() or "ready" not in next((store / "output").iterdir()).read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    (thread := threading.Thread(target=interrupt)).start()
    code = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, lambda *_: exit('saved'))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    assert main(["run", "--", sys.executable, "-I", "-c", code]) == 1
    thread.join()
    assert capfd.readouterr().out == "ready\nsaved\n"
    assert runs_of(store)[0].state == "stopped"
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_whose_reader_has_gone_is_hung_up(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", closefd=False) as closed:
        monkeypatch.setattr("sys.stdout", closed)
        # as with every command
        assert main(["run", "--store", str(store), "--", "yes"]) == 0
        monkeypatch.undo()
    os.close(writing)
    assert runs_of(store)[0].state == "stopped"
