"""Commands that `lrtui run` started, in the cockpit: their output, leaving and coming back."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from store_runs import new_recorder
from terminal import Terminal
from textual.widgets import Log
from waiting import SECONDS

from lrtui.run.commands import Stop
from lrtui.run.events import RunFinished, StepDone
from lrtui.run.source import run_started
from lrtui.run.spec import RunSpec
from lrtui.store.command_output import OutputFile, output_path
from lrtui.store.connection import transaction
from lrtui.store.inbox import send
from lrtui.store.liveness import started
from lrtui.store.recorder import Recorder
from lrtui.store.writer import Writer
from lrtui.tui.panes.log import OpenRows
from lrtui.tui.view import View
from lrtui.tui.x_axis import axis_label

TICKS = """
import os, time
print("pid", os.getpid(), flush=True)
for i in range(6000):
    print(f"step {i} loss {1 / (1 + i)}", flush=True)
    time.sleep(0.02)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path, lambda _: None)
    yield writer
    assert writer.close(SECONDS)


def publish(recorder: Recorder, *, output: str) -> None:
    spec = RunSpec(task="script:train.py", schedule="script:lr()", epochs=1)
    recorder.publish(replace(run_started(), spec=spec, output=output))
    recorder.publish(StepDone(seq=1, step=0, seconds=0.5, epoch=1, batch=0, loss=0.5, lrs=(0.1,)))
    assert recorder.commit(SECONDS)


async def test_the_log_shows_the_output_and_follows_the_attached_run(tmp_path: Path, writer: Writer) -> None:
    output = OutputFile(output_path(tmp_path, 1))
    output.write(["first line"])
    recorder = new_recorder(writer, RunSpec(name="train.py"))
    publish(recorder, output="output/1.log")
    view = View(RunSpec(store=str(tmp_path)), selected=recorder.run, output="output/1.log")
    app = PlayedApp(PlayedSession(), view)
    async with app.run_test(size=(120, 36)) as pilot:
        log, rows = app.screen.query_one(Log), app.screen.query_one(OpenRows)
        await until(pilot, lambda: list(log.lines) == ["first line"])
        # the length of its epochs is unknown
        assert axis_label(app.cockpit.scene) == "step"
        assert not rows.display
        output.write(["second line", "\x1b[3"])
        output.show_open_rows(["45/938"])
        await until(pilot, lambda: "second line" in log.lines and rows.display)
        # neither the steps nor escape sequences are shown
        assert list(log.lines) == ["first line", "second line", "\\x1b[3"]
        assert "45/938" in str(rows.render())
        # the attached run comes, then the run of its command goes
        attached = new_recorder(writer, RunSpec(name="attached"))
        publish(attached, output="output/1.log")
        with transaction(tmp_path) as connection:
            connection.execute("DELETE FROM runs WHERE id = ?", (recorder.run,))
        await until(pilot, lambda: view.selected == attached.run and "second line" in log.lines)
        attached.publish(RunFinished(seq=2, step=1, seconds=1.0, outcome="done"))
        assert attached.commit(SECONDS)
        output.close()
        await until(pilot, lambda: "run done" in log.lines and not rows.display)


def test_a_command_outlives_the_cockpit_and_is_shown_again(tmp_path: Path) -> None:
    store, pid = ["--store", str(tmp_path)], 0
    terminals = [Terminal("run", *store, "--", sys.executable, "-I", "-S", "-c", TICKS)]
    try:
        terminals[0].read_until(b" loss 0.0")
        pid = int(next((tmp_path / "output").glob("*.log")).read_text().split()[1])
        terminals[0].press("q")
        assert terminals[0].wait_gone() == 0
        assert b"run 1 goes on; lrtui --store" in terminals[0].written
        terminals.append(Terminal(*store))
        terminals[1].read_until(b" loss 0.0")
        terminals[1].kill()
        assert started(pid) is not None
        assert send(tmp_path, 1, Stop(), SECONDS).text == "the run is over: stopped"
        assert started(pid) is None
    finally:
        if pid and started(pid) is not None:
            os.kill(pid, signal.SIGKILL)


def test_a_command_that_is_not_found_does_not_open_the_cockpit(tmp_path: Path) -> None:
    terminal = Terminal("run", "--store", str(tmp_path), "--", "no-such-command")
    assert terminal.wait_gone() == 127
    assert b"lrtui run: no-such-command: command not found" in terminal.written
    assert b"\x1b[?1049h" not in terminal.written
